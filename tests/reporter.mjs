// reporter.mjs – prints node:test's results flat, one line a test, for tests/run to show and count:
//
//     ok - NAME (12 ms)
//     ok - NAME # SKIP the reason
//     not ok - NAME (12 ms)          followed by what went wrong
//
// NAME is "suite > test". A test that only holds others is not counted, unless it failed by itself.

export default async function* report(source) {
    const names = []; // the names of the tests that are running, by nesting
    let holder = -1; // nesting of the innermost test that has just been seen to hold another
    for await (const {type, data} of source) {
        if (type === 'test:start') {
            names.length = data.nesting;
            names.push(data.name);
        } else if (type === 'test:pass' || type === 'test:fail') {
            const holdsOthers = holder === data.nesting;
            holder = data.nesting - 1;
            const failedItself = type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed';
            if (holdsOthers && !failedItself) continue;
            yield line(type, data, [...names.slice(0, data.nesting), data.name].join(' > '));
        } else if (type === 'test:diagnostic' && data.nesting > 0) {
            yield `# ${data.message}\n`;
        } else if (type === 'test:stdout' || type === 'test:stderr') {
            yield data.message;
        }
    }
}

function line(type, data, name) {
    if (data.skip !== undefined || data.todo !== undefined) {
        const reason = data.skip ?? data.todo;
        return `ok - ${name} # SKIP ${reason === true || reason === '' ? 'no reason given' : reason}\n`;
    }
    const took = `(${Math.round(data.details?.duration_ms ?? 0)} ms)`;
    if (type === 'test:pass') return `ok - ${name} ${took}\n`;
    const error = data.details?.error;
    const cause = error?.cause ?? error;
    const text = String(cause?.stack ?? cause?.message ?? cause);
    return `not ok - ${name} ${took}\n${text.replace(/^/gm, '    ')}\n`;
}
