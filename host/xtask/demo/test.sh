#!/bin/sh
# Checks lib/slug.sh; ends with 0 when all is well.

. ./lib/slug.sh

failed=0
check() {
    got=$(slug "$1")
    if [ "$got" = "$2" ]; then
        echo "ok    '$1' is $2"
    else
        echo "FAIL  '$1' should be $2, but is $got"
        failed=1
    fi
}

check "Hello World" hello-world
check "Release 2.0" release-2-0
check "Hello, World!" hello-world
check "  Many   spaces  " many-spaces
exit $failed
