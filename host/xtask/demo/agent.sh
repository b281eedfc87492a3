# An offline stand-in for a coding agent. It asks no model: it is this script, which knows one kind of bug. But it works
# as an agent does: it reads its orders from stdin, looks at what fails, edits the code and tests again.

say() {
    echo "$1"
    sleep 0.2
}

orders=$(cat)
say "I am an offline script in a coding agent's place; no model is asked."
nonce=$(printf '%s\n' "$orders" | sed -n 's/.*Nonce: *\([A-Za-z0-9._-]*\).*/\1/p' | head -n 1)
if [ -z "$nonce" ]; then
    echo "The task's text did not reach me: I was given no nonce." >&2
    exit 1
fi
say "I have read the task; the nonce in its text is $nonce."

say "Running ./test.sh to see what fails."
if report=$(./test.sh 2>&1); then
    say "Nothing fails: there is nothing to do."
    exit 0
fi
failing=$(printf '%s\n' "$report" | grep '^FAIL')
printf '%s\n' "$failing" | while read -r line; do say "  $line"; done

case $failing in
*-) say "Each wrong result has a dash at one of its ends: lib/slug.sh leaves them there." ;;
*)
    echo "I know no cure for this." >&2
    exit 1
    ;;
esac
sed -i "s/tr -cs 'a-z0-9' '-'\$/& | sed 's|^-||; s|-\$||'/" lib/slug.sh || exit 1
say "lib/slug.sh now cuts them off:"
say "  $(grep 'tr -cs' lib/slug.sh | sed 's/^ *//')"

say "Running ./test.sh again."
report=$(./test.sh 2>&1)
code=$?
printf '%s\n' "$report" | while read -r line; do say "  $line"; done
[ "$code" = 0 ] || exit 1
say "All tests pass. Done."
