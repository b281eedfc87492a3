# What somebody curious tries in a sandbox, with nothing but a shell: each line of the output is an attempt and what came
# of it. With `proof` it runs in a gate; else it waits for `go`, which holds the token of another run.
exec 2> /dev/null
say() { echo "$1: $2"; }

# ask NAME METHOD TARGET HEADER…: the first line of the gateway's answer.
ask() {
    name=$1 method=$2 target=$3 line=silence
    shift 3
    if exec 3<> /dev/tcp/127.0.0.1/8417; then
        printf '%s\r\n' "$method $target HTTP/1.1" "Host: 127.0.0.1:8417" "Connection: close" "$@" \
            "Content-Type: application/json" "Content-Length: 2" "" >&3
        printf '{}' >&3
        IFS= read -r -t 20 line <&3
        exec 3>&-
    fi
    line=${line%$'\r'}
    say "$name" "${line#HTTP/1.1 }"
}

# dial NAME ADDRESS PORT
dial() { if (exec 3<> "/dev/tcp/$2/$3"); then say "$1" open; else say "$1" closed; fi; }

tokens() { grep -aohE '(^|[^0-9a-f])[0-9a-f]{64}([^0-9a-f]|$)' "$@" | grep -oE '[0-9a-f]{64}' | sort -u; }

if [ "$1" = proof ]; then
    other=$(tr -d ' \n' < stolen.txt)
else
    touch ready
    while [ ! -s go ]; do sleep 0.05; done
    other=$(cat go)
    rm go ready
fi
key='sk-[f]ake-|7f3[a]9c1e5b8d2046'
own=$(cat /proc/[0-9]*/environ | tr '\0' '\n' | tokens | head -n 1)
[ "$1" = proof ] || echo "$own" | sed 's/./& /g' > stolen.txt

say key-in-environment "$(env | grep -cE "$key")"
say key-in-processes "$(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\0' '\n' | grep -acE "$key")"
say key-in-files "$(grep -rlaE -D skip --exclude-dir=proc --exclude-dir=sys "$key" / | wc -l)"
say tokens "$({
    cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\0' '\n'
    find /agentd "$HOME" /tmp /run /etc -path /agentd/toolbox -prune -o -type f -print0 | xargs -0 cat
} | tokens | sed 's/./&./' | tr '\n' ' ')"
# What lies in /tmp is the agent's own.
say stores "$(find / \( -path /proc -o -path /tmp \) -prune -o \( -name 'agentd.*' -o -name 'gateway.*' -o -name '*.sock' -o -name '*.spool' \
    -o -name .netrc -o -name .env \) -print | tr '\n' ' ')"
say mounts-of-the-host "$(grep -cE 'docker\.sock|agentd\.(db|sock)|gateway\.key|/(runs|sessions|transcripts) ' /proc/self/mountinfo)"
say interfaces "$(ls /sys/class/net | tr '\n' ' ')"
say launch "$(cat /agentd/launch.json | wc -c)"
say gateway-folder "$(ls /agentd/gateway | wc -l)"
say gateway-socket "$(if [ -r /agentd/gateway/s ] || [ -w /agentd/gateway/s ]; then echo open; else echo closed; fi)"
dial metadata 169.254.169.254 80
dial bridge 172.17.0.1 22
dial internet 1.1.1.1 443
dial name example.org 443
dial ipv6 2606:4700:4700::1111 443
ask no-token POST /model/main/v1/messages
ask no-token-either POST /model/main/responses
ask wrong-token POST /model/main/v1/messages "x-api-key: $(printf '%064d' 7)"
ask token-of-another POST /model/main/v1/messages "x-api-key: $other"
ask token-of-another-too POST /model/main/responses "authorization: Bearer $other"
ask files GET /model/main/v1/files "x-api-key: $own"
ask batches POST /model/main/v1/messages/batches "x-api-key: $own"
ask stored-answers GET /model/main/responses/resp_1 "authorization: Bearer $own"
ask detour POST /model/main/../main/v1/messages "x-api-key: $own"
ask other-endpoint POST /model/other/v1/messages "x-api-key: $own"
ask root GET /
ask provider-path POST /v1/messages "x-api-key: $own"
ask tunnel CONNECT example.org:443
ask tunnel-to-provider CONNECT api.anthropic.com:443
ask tunnel-to-registry CONNECT registry.npmjs.org:443
ask tunnel-home CONNECT 127.0.0.1:22
ask proxy GET http://example.org/
ask npm GET /npm/is-number
ask npm-write PUT /npm/is-number
ask crates GET /crates/config.json
ask crates-write PUT /crates/api/v1/crates/new
ask pypi GET /pypi/simple/six/
ask pypi-write POST /pypi/simple/
say end reached
