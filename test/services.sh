#!/bin/sh
# Brings the real programs that some tests are about. On Debian as root they are installed; elsewhere it is said plainly
# what is missing, and the tests that need it are skipped (or fail, when SLIPSTREAM_REQUIRE_SERVICES=1 forbids skipping).
set -u

has_websockets() {
  for python in /usr/bin/python3 python3; do
    "$python" -c 'import websockets' 2>/dev/null && return 0
  done
  return 1
}

packages=''
command -v promtool >/dev/null 2>&1 || packages="$packages prometheus"
has_websockets || packages="$packages python3-websockets"
command -v openssl >/dev/null 2>&1 || packages="$packages openssl"
command -v redis-server >/dev/null 2>&1 || packages="$packages redis-server"
command -v chromium >/dev/null 2>&1 || packages="$packages chromium"
[ -z "$packages" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing$packages"
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } \
    >/dev/null 2>&1 || echo "could not install$packages"
else
  echo "not installed:$packages (the tests that need them are skipped)"
fi
exit 0
