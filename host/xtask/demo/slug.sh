# Turns a title into the part of a web address that stands for it.
#
#   . lib/slug.sh
#   slug "Hello World"        prints hello-world

slug() {
    printf '%s' "$1" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-'
}
