#!/usr/bin/env bash
# Makes the pictures of the README: what the terminal and the page show of a simulated
# host. Run it when either changes: packaging/docs/pictures.sh [PROGRAM]
# Without PROGRAM it builds one. Needs Chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
demo=no-credential-source lines=24 out=packaging/docs/pictures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program=${1-}
[[ -n $program ]] || { program=$work/ssm-doctor && go build -o "$program" ./cmd/ssm-doctor; }
browser=
for name in chromium chromium-browser google-chrome; do
    browser=$(command -v "$name") && break
done
[[ -n $browser ]] || { echo "pictures.sh: no Chromium" >&2; exit 69; }

# shot FILE.html WIDTH HEIGHT PICTURE
shot() {
    local root=()
    [[ $(id -u) != 0 ]] || root=(--no-sandbox)
    "$browser" --headless=new "${root[@]}" --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
        --window-size="$2,$3" --screenshot="$work/shot.png" "file://$1" >/dev/null 2>&1
    mv "$work/shot.png" "$4"
    echo "$4: $(stat -c %s "$4") bytes"
}

# The terminal is a page too: escapes of colour become elements.
esc=$'\e'
{
    cat <<'HEAD'
<!DOCTYPE html><meta charset="utf-8"><style>
body{margin:0;background:#14171c;color:#e6e9ee;padding:14px 18px}
pre{margin:0;font:14px/19px "DejaVu Sans Mono",ui-monospace,Menlo,Consolas,monospace}
.r{color:#ff8a8a;font-weight:700}.y{color:#ffc861}.g{color:#7ddc9f}.d{color:#8b95a3}.b{font-weight:700}.c{color:#8ec2ff}
</style><pre><span class="g">$</span> ssm-doctor
HEAD
    # On a terminal of 80 columns, whatever runs this.
    { script -qec "stty cols 80 rows 40; $program demo $demo --color=always --ascii=never" /dev/null </dev/null || [[ $? = 2 ]]; } | tr -d "\\r" | head -n "$lines" |
        sed -e 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' \
            -e "s/$esc\[1;31m/<span class=r>/g; s/$esc\[33m/<span class=y>/g; s/$esc\[32m/<span class=g>/g; s/$esc\[2m/<span class=d>/g" \
            -e "s/$esc\[1m/<span class=b>/g; s/$esc\[36m/<span class=c>/g; s/$esc\[1;36m/<span class=c>/g; s/$esc\[0m/<\/span>/g" -e "s/$esc\[[0-9;]*m//g"
} >"$work/terminal.html"
"$program" demo "$demo" -o html >"$work/page.html" || [[ $? = 2 ]]
mkdir -p "$out"
shot "$work/terminal.html" 740 $((28 + 19 * (lines + 1))) "$out/terminal.png"
shot "$work/page.html" 1120 1150 "$out/page.png"
