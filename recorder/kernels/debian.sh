#!/usr/bin/env bash
# The recorder on the kernel of Debian stable, under qemu: does the verifier take its programs, and is recorded what happens?
#
#   bash recorder/kernels/debian.sh PATH/TO/lookback-recorder      # as root on Debian 12: it installs qemu, and fetches the kernel's package
#
# The machine has no disk and no network but its loopback; it runs recorder/kernels/init and is off after a minute at most.
set -euo pipefail
binary="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

command -v qemu-system-x86_64 cpio busybox >/dev/null 2>&1 \
    || { apt-get update -qq && apt-get install -qq -y --no-install-recommends qemu-system-x86 busybox-static cpio >/dev/null; }
cd "$work"
chmod 755 .
# The package of that name only depends on the kernel of the day.
package="$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)"
[ -n "$package" ] || { echo "no package linux-image-cloud-amd64 here: not Debian?" >&2; exit 2; }
apt-get download -qq "$package" 2>/dev/null
dpkg -x linux-image-*.deb kernel

mkdir -p root/bin root/proc root/sys root/dev root/tmp root/www root/modules
cp "$(command -v busybox)" "$binary" root/bin/
install -m 755 "$here/init" root/init
echo hello > root/www/index.html
ldd "$binary" | grep -o '/[^ ]*' | sort -u | while read -r library; do install -D "$library" "root$library"; done
find kernel/lib/modules -name sch_ingress.ko -o -name cls_bpf.ko | while read -r module; do cp "$module" root/modules/; done
(cd root && find . | cpio -o -H newc --quiet | gzip -1) > initrd.gz

# Without KVM: it is there on few machines that run this.
timeout 300 qemu-system-x86_64 -m 1024 -smp 2 -accel tcg,thread=multi -cpu max -nographic -no-reboot \
    -kernel kernel/boot/vmlinuz-* -initrd initrd.gz -append "console=ttyS0 quiet panic=-1" </dev/null > console || true
sed -n '/^.*== kernel/,$p' console

fail=0
expect() { grep -qE "$1" console || { echo "missing: $1" >&2; fail=1; }; }
expect '^yes +programs +loaded'
expect '^yes +interfaces +clsact'
expect '^yes +drops'
expect 'HTTP/1.1 200 [0-9]+ms \(GET http://127.0.0.1:8080/index.html\)'
expect 'HTTP/1.1 404 [0-9]+ms'
expect 'TCP Flags: ACK, RST'
expect 'ICMPv4 EchoReply'
expect 'seen [0-9]+ = written [0-9]+ .* lost 0'
exit $fail
