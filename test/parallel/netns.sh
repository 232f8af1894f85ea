#!/usr/bin/env bash
# Two ranks in two network namespaces of this machine, joined by a veth pair: as on two machines, without and with a limit on
# the link. Prints, for copies, pipeline and split layers, the time of a step beside the plan's, the efficiency of 2 ranks × 1 thread
# against one process, and whether the losses are equal.
#
#   sudo test/parallel/netns.sh [100mbit …]      needs: ip, tc, Open MPI, and `npm run build` before
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v mpirun.openmpi >/dev/null && mpirun=mpirun.openmpi || mpirun=mpirun
"$mpirun" --version | grep -q 'Open MPI\|OpenRTE' || { echo "skipped: needs Open MPI"; exit 0; }
[ "$(id -u)" = 0 ] && ip netns add pare-probe 2>/dev/null && ip netns del pare-probe || { echo "skipped: may not make network namespaces"; exit 0; }

folder=$(mktemp -d)
end() { ip netns del pare-a 2>/dev/null || true; ip netns del pare-b 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
ip netns add pare-a
ip netns add pare-b
ip link add pare-va netns pare-a type veth peer name pare-vb netns pare-b
ip -n pare-a addr add 10.213.7.1/24 dev pare-va
ip -n pare-b addr add 10.213.7.2/24 dev pare-vb
for side in a b; do ip -n pare-$side link set lo up; ip -n pare-$side link set pare-v$side up; done

# What Open MPI takes for ssh: enters the namespace that has the address, under a host name of its own.
cat > "$folder/enter" <<'SH'
#!/usr/bin/env bash
while [ "${1#-}" != "$1" ]; do shift; done
case $1 in *.1) side=a ;; *) side=b ;; esac
shift
exec ip netns exec pare-$side unshare --uts sh -c "hostname pare-$side; $*"
SH
chmod +x "$folder/enter"

ranks() { # command …: as one rank in each namespace
  ip netns exec pare-a unshare --uts sh -c 'hostname pare-a; exec "$@"' - "$mpirun" --allow-run-as-root -n 2 \
    -H 10.213.7.1:1,10.213.7.2:1 --mca plm_rsh_agent "$folder/enter" --mca btl tcp,self --mca pml ob1 \
    --mca btl_tcp_if_include 10.213.7.0/24 --mca oob_tcp_if_include 10.213.7.0/24 --bind-to none "$@"
}

program=dist/bench/parallel/ranks.js
node "$program" --json > "$folder/one.json"
for rate in none "$@"; do
  for side in a b; do
    ip netns exec pare-$side tc qdisc del dev pare-v$side root 2>/dev/null || true
    [ "$rate" = none ] || ip netns exec pare-$side tc qdisc add dev pare-v$side root tbf rate "$rate" burst 256kbit latency 50ms
  done
  ranks "$(command -v node)" "$program" --slow --json > "$folder/two.json"
  node -e '
    const [one, two] = process.argv.slice(1, 3).map((file) => JSON.parse(require("fs").readFileSync(file, "utf8").trim().split("\n").at(-1)));
    let isEqual = true;
    for (const { name, isExact, losses, msPerStep, predictedMs } of two.ways) {
      const worst = Math.max(...one.losses.map((loss, i) => Math.abs(loss - losses[i])));
      isEqual &&= !isExact || worst < 1e-5;
      console.log(`link ${process.argv[3]}, ${name}: ${msPerStep.toFixed(1)} ms a step, predicted ${predictedMs?.toFixed(1) ?? "-"}, one process ${one.msPerStep.toFixed(1)} ms, efficiency ${((one.msPerStep / msPerStep / 2) * 100).toFixed(0)} %, ${isExact ? `losses differ by ${worst.toExponential(1)}` : "another curve"}`);
    }
    console.log(`link ${process.argv[3]}: latency ${two.link.latencyUs.toFixed(0)} µs, ${two.link.gigabitsPerSecond.toFixed(2)} Gb/s, all-reduce ${two.allReduceMs.toFixed(1)} ms`);
    if (!isEqual) { console.error("the losses are not equal"); process.exit(1); }
  ' "$folder/one.json" "$folder/two.json" "$rate"
done
