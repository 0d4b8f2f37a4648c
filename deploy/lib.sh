# shellcheck shell=bash
# lib.sh – what deploy/up, tests/run and the bench share: installing what is missing, building, a private PostgreSQL.
#
# Sourced, never run, by scripts that have set -euo pipefail. Nothing here needs root where nothing is missing.

PATH=$PATH:/usr/sbin:/sbin # pgbouncer; setpriv on some systems
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# shellcheck disable=SC2034 # used by those who source this
BUILD_PACKAGES=(cmake ninja-build gcc g++ libc6-dev pkg-config libh2o-evloop-dev libwslay-dev libpq-dev libcjson-dev
    libssl-dev libcurl4-openssl-dev libphonenumber-dev)
# The simulators take the tests' own library where it is there.
# shellcheck disable=SC2034
SIMULATOR_PACKAGES=(node-ws)
[[ ! -d $ROOT/tests/node_modules/ws ]] || SIMULATOR_PACKAGES=()

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "$(basename -- "$(cd -- "$(dirname -- "$0")" && pwd)")/${0##*/}" "$*" >&2
    exit 1
}

# quietly LABEL COMMAND… – runs it in silence, says how long it took, and shows all of its output if it fails.
quietly() {
    local label=$1 output begin=$SECONDS rc=0
    shift
    output=$(mktemp)
    printf '%s ... ' "$label"
    "$@" >"$output" 2>&1 </dev/null || rc=$?
    if ((rc == 0)); then
        say "done ($((SECONDS - begin)) s)"
    else
        say "failed:"
        cat -- "$output"
    fi
    rm -f -- "$output"
    return "$rc"
}

# ---- packages ----

is_installed() {
    case $1 in
    postgresql) [[ $(pg_bin) ]] ;;
    nodejs) command -v node >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    nginx-light) command -v nginx >/dev/null ;;
    lib* | node-*) [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# install_missing PACKAGE… – by Debian's apt-get; asks nothing of it where all are there.
install_missing() {
    local package missing=() as_root=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0

    say "Missing: ${missing[*]}"
    local by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || die "these are Debian's names, and there is no apt-get here: please install them"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "installing them needs root, and there is no sudo here; as root: $by_hand"
        say "Installing them needs root, by sudo (it may ask for your password)."
        sudo -v || die "without sudo's leave: as root, $by_hand"
        as_root=(sudo)
    fi
    quietly "Fetching the package lists" "${as_root[@]}" apt-get update || die "apt-get update failed"
    quietly "Installing them" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}" || die "apt-get install failed"
}

# ---- building ----

# build_preset PRESET TARGET… – configures where needed, builds, and keeps silent unless something is wrong.
build_preset() {
    local what=${*:2}
    (($# <= 4)) || what="$(($# - 1)) targets"
    quietly "Building $what ($1)" configure_and_build "$@"
}

configure_and_build() (
    cd -- "$ROOT" && cmake --preset "$1" && cmake --build --preset "$1" --target "${@:2}"
)

# ---- ports ----

# port_is_taken PORT [HOST]
port_is_taken() {
    (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null
}

# free_port FIRST [HOST] – the first free one from there on.
free_port() {
    local port
    for ((port = $1; port < $1 + 500; port++)); do
        port_is_taken "$port" "${2:-127.0.0.1}" || {
            say "$port"
            return 0
        }
    done
    die "no free port from $1 on"
}

# http_status PORT PATH – of a server on 127.0.0.1; 000 when there is no answer. A fresh machine has no curl.
http_status() {
    local status=''
    status=$({
        exec 3<>"/dev/tcp/127.0.0.1/$1" &&
            printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3 &&
            read -r -t 5 _ status _ <&3 && printf %s "$status"
    } 2>/dev/null) || true
    say "${status:-000}"
}

# random_hex BYTES
random_hex() {
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# ---- a private PostgreSQL ----
#
# A folder holds it: data/, log, port, and password (of both its roles: postgres, who may everything, and hookline, who
# owns its database and may create others). It listens on 127.0.0.1 only, with its default durability. PostgreSQL
# refuses to run as root; then folder and server belong to an unprivileged user.

# The newest version's programs; nothing where there is none.
pg_bin() {
    local bin newest=
    for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
        [[ -x $bin/initdb && -x $bin/postgres ]] && newest=$bin
    done
    [[ -z $newest ]] || say "$newest"
}

# Who runs it where we are root.
pg_user() {
    if id -u postgres >/dev/null 2>&1; then say postgres; else say nobody; fi
}

as_pg_user() {
    if ((EUID == 0)); then
        (cd / && setpriv --reuid "$(pg_user)" --regid "$(id -g "$(pg_user)")" --init-groups -- "$@")
    else
        (cd / && "$@")
    fi
}

# make_pg_folder WANTED – makes it, and prints where: elsewhere if PostgreSQL's user cannot get there.
make_pg_folder() {
    local folder=$1
    mkdir -p -- "$folder"
    chmod 700 -- "$folder"
    if ((EUID == 0)); then
        if ! chown_pg_folder "$folder"; then
            rmdir -- "$folder" 2>/dev/null || true
            folder=/var/lib/hookline-dev-$(printf %s "$1" | sha256sum | cut -c1-12)
            mkdir -p -- "$folder"
            chown_pg_folder "$folder" || die "user $(pg_user) cannot use $folder"
            say "PostgreSQL does not run as root, and its user $(pg_user) cannot reach $1." >&2
            say "The data is in $folder instead." >&2
        fi
    fi
    say "$folder"
}

chown_pg_folder() {
    chown -- "$(pg_user):" "$1" 2>/dev/null && chmod 700 -- "$1" && as_pg_user test -w "$1"
}

# start_postgres FOLDER FIRST_PORT [OPTION…] – makes the cluster if there is none, and starts it, with these options of
# postgres, unless it runs. Exports PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and DATABASE_URL of its role and
# database `hookline`.
start_postgres() {
    local folder=$1 port bin
    bin=$(pg_bin)
    [[ -f $folder/data/PG_VERSION ]] && bin=/usr/lib/postgresql/$(<"$folder/data/PG_VERSION")/bin
    [[ -x $bin/postgres ]] ||
        die "the data in $folder needs PostgreSQL's programs in $bin: install that version, or remove the folder"
    [[ -f $folder/data/PG_VERSION ]] || quietly "Making a PostgreSQL cluster" make_cluster "$folder" "$bin" || return 1

    if as_pg_user "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; then
        port=$(sed -n 4p "$folder/data/postmaster.pid")
    else
        port=$2
        [[ -f $folder/port ]] && port=$(<"$folder/port")
        port=$(free_port "$port")
        quietly "Starting PostgreSQL on 127.0.0.1:$port" as_pg_user "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" \
            -o "-p $port ${*:3}" -w -t 60 start || {
            tail -n 20 -- "$folder/log" 2>/dev/null || true
            return 1
        }
        printf '%s\n' "$port" >"$folder/port"
    fi

    export PGHOST=127.0.0.1 PGPORT=$port PGUSER=hookline PGDATABASE=hookline PGPASSWORD
    PGPASSWORD=$(<"$folder/password")
    export DATABASE_URL="postgresql://hookline:$PGPASSWORD@127.0.0.1:$port/hookline"
    make_role_and_database "$bin"
}

make_cluster() {
    local folder=$1 bin=$2
    [[ -s $folder/password ]] || (umask 077 && random_hex 16 >"$folder/password")
    ((EUID != 0)) || chown -- "$(pg_user):" "$folder/password"
    rm -rf -- "$folder/data.new" # of a first time that was cut short
    as_pg_user "$bin/initdb" -D "$folder/data.new" -U postgres --pwfile="$folder/password" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 || return
    as_pg_user tee -a "$folder/data.new/postgresql.conf" <<'CONF' || return

listen_addresses = '127.0.0.1'
unix_socket_directories = ''
CONF
    mv -- "$folder/data.new" "$folder/data"
}

make_role_and_database() {
    local psql=("$1/psql" -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres)
    [[ $("${psql[@]}" -A -t -c "SELECT 1 FROM pg_database WHERE datname = 'hookline'") == 1 ]] && return
    "${psql[@]}" <<SQL
DO \$\$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline') THEN
        CREATE ROLE hookline LOGIN CREATEDB PASSWORD '$PGPASSWORD';
    END IF;
END \$\$;
CREATE DATABASE hookline OWNER hookline;
SQL
}

# stop_postgres FOLDER – and waits until it is down.
stop_postgres() {
    local data=$1/data bin
    [[ -f $data/postmaster.pid ]] || return 0
    bin=/usr/lib/postgresql/$(<"$data/PG_VERSION")/bin
    as_pg_user "$bin/pg_ctl" -D "$data" -m fast -w -t 30 stop >/dev/null 2>&1 ||
        as_pg_user "$bin/pg_ctl" -D "$data" -m immediate -w -t 30 stop >/dev/null 2>&1
}
