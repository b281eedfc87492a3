#!/bin/sh
# Makes the two images that the end-to-end tests work in, without a registry:
#   dev-image.sh DEV POSTGRES [SYSROOT]
# DEV: Debian with git, a C compiler, PostgreSQL's programs, and the Rust toolchain in SYSROOT (this machine's own).
# POSTGRES: the same files with an entrypoint, so that it is used as the well-known image of PostgreSQL is.
# Needs root, debootstrap and docker. Debian comes from the mirror that debootstrap takes by itself.
set -eu
dev=$1 postgres=$2 sysroot=${3:-$(rustc --print sysroot)}

root=$(mktemp -d)
container=
clean() {
    [ -z "$container" ] || docker rm -f "$container" >/dev/null
    # What a debootstrap that failed left mounted is not to be removed with the rest.
    for place in proc sys dev/pts dev; do umount -l "$root/$place" 2>/dev/null || true; done
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

packages=ca-certificates,gcc,git,libc6-dev,postgresql
debootstrap --variant=minbase --include=$packages bookworm "$root" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    rm -f "$root.log"
    exit 1
}
rm -f "$root.log"

mkdir -p "$root/usr/local/lib/rustlib"
for program in cargo rustc rustdoc; do cp -a "$sysroot/bin/$program" "$root/usr/local/bin/"; done
host=$(rustc -vV | sed -n 's/^host: //p')
cp -a "$sysroot"/lib/*.so* "$root/usr/local/lib/"
cp -a "$sysroot/lib/rustlib/$host" "$root/usr/local/lib/rustlib/"

cat >"$root/usr/local/bin/postgres-entrypoint" <<'ENTRYPOINT'
#!/bin/sh
# Makes a database cluster at the first start, reachable by nobody while it is made, and becomes the server.
set -eu
: "${PGDATA:=/var/lib/postgresql/data}"
: "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
export PGDATA
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
        echo '       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.' >&2
        exit 1
    fi
    secret=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$secret"
    initdb --username="$POSTGRES_USER" --pwfile="$secret" --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl -w start -o "-c listen_addresses=''"
    [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl -w -m fast stop
    echo 'PostgreSQL init process complete; ready for start up.'
fi
unset POSTGRES_PASSWORD
exec "$@"
ENTRYPOINT
chmod 0755 "$root/usr/local/bin/postgres-entrypoint"

tar -C "$root" --one-file-system --numeric-owner -cf - \
    --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/info/*' --exclude='./usr/share/i18n/*' --exclude='./usr/lib/x86_64-linux-gnu/libLLVM-*' \
    --exclude='./usr/lib/postgresql/*/lib/bitcode/*' --exclude='./usr/lib/postgresql/*/lib/llvmjit*' \
    --exclude='./var/lib/postgresql/*' \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./tmp/*' . |
    docker import --change 'CMD ["bash"]' --change 'ENV LANG=C.UTF-8' - "$dev" >/dev/null

container=$(docker create --stop-signal SIGINT "$dev")
path=$(echo "$root"/usr/lib/postgresql/*/bin)
docker commit --change 'ENTRYPOINT ["postgres-entrypoint"]' \
    --change "CMD [\"postgres\", \"-c\", \"listen_addresses=*\"]" \
    --change "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${path#"$root"}" \
    --change 'EXPOSE 5432' --change 'VOLUME /var/lib/postgresql/data' \
    "$container" "$postgres" >/dev/null
