#include "base/phone_plan.h"

#include <cstring>
#include <phonenumbers/phonenumberutil.h>
#include <set>
#include <string>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

bool phone_plan_knows_region(const char *region)
{
    std::set<std::string> regions;

    PhoneNumberUtil::GetInstance()->GetSupportedRegions(&regions);
    return regions.count(region) != 0;
}

bool phone_plan_e164(const char *text, size_t len, const char *region, char out[PHONE_PLAN_BYTES])
{
    const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
    PhoneNumber number;
    std::string e164;

    if (util->Parse(std::string(text, len), region, &number) != PhoneNumberUtil::NO_PARSING_ERROR ||
        util->IsPossibleNumberWithReason(number) != PhoneNumberUtil::IS_POSSIBLE) /* not: within one area only */
        return false;
    util->Format(number, PhoneNumberUtil::E164, &e164);
    if (e164.size() >= PHONE_PLAN_BYTES)
        return false;
    std::memcpy(out, e164.c_str(), e164.size() + 1);
    return true;
}
