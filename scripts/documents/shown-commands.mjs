/**
 * Commands that the documents show and no test types. Everything else that stands in a block for a
 * shell has a name in front of it (`<!-- readme-test: NAME -->`) by which a test types it.
 * `pnpm docs:check` fails on a command that is in neither place, and on a line here that is no longer
 * shown.
 */

const runsTheTests = 'it runs the tests, and a test that types it would run itself';
const takesLong = 'takes minutes to hours';

/** Why no test types them, by document. */
export const untypedCommands = {
  'README.md': {
    'npm run demo': 'tests/demo.e2e.test.ts and tests/kernel/demo.kernel.test.ts run what it runs',
    'npm test': runsTheTests,
    'npx pnpm@10.34.8 docs:site':
      'it is a check of `npm run verify`; tests/docs-site.e2e.test.ts opens what it makes',
  },
  'CONTRIBUTING.md': {
    'git clone https://github.com/oxmem/oxmem.git && cd oxmem': 'needs the internet',
    'npm run bootstrap': 'it is how every `npm test` begins',
    'npm test': runsTheTests,
    'npm test -- packages/tloe-protocol': runsTheTests,
    'npm run verify': runsTheTests,
  },
  'bench/README.md': {
    'pnpm bench': takesLong,
    'pnpm bench --quick': takesLong,
    'pnpm bench --list': 'tests/bench.e2e.test.ts runs the same program',
    "pnpm bench --rows='seq read,d1 p50'": takesLong,
    "pnpm bench --rows='link mtu 1500' --pairs=9 --driver-arg=--window=64": takesLong,
    'pnpm bench --smoke': 'tests/bench.e2e.test.ts runs it',
  },
  'docs/performance.md': {
    'pnpm bench --record': takesLong,
    "pnpm bench --rows='budget'": takesLong,
    "pnpm bench --rows='watched' --pairs=9": takesLong,
    "pnpm bench --rows='C exchange' --pairs=9": takesLong,
    "pnpm bench --rows='d1 p50'": takesLong,
    "pnpm bench --rows='heap,idle,start,resident'": takesLong,
  },
  'docs/getting-started.md': {
    'npm run bootstrap': 'it is how every `npm test` begins',
    'npm install @oxmem/tloe-protocol':
      'tests/fresh-install.e2e.test.ts installs the packages from their tarballs',
    'npm install --save-dev @oxmem/sim-endpoint @oxmem/tloe-protocol vitest':
      'the same, and examples/vitest-simulator is installed there like this',
  },
  'docs/operating.md': {
    ...untypable('tests/kernel/volumes.kernel.test.ts does it with other names', [
      'sudo pvcreate /dev/nbd0 /dev/nbd1',
      'sudo vgcreate remote /dev/nbd0 /dev/nbd1',
      'sudo lvcreate --name data --extents 100%FREE remote',
      'sudo mkfs.ext4 /dev/remote/data',
    ]),
    ...untypable('tests/kernel/mirror.kernel.test.ts does it with other names', [
      'sudo mdadm --create /dev/md0 --level=1 --raid-devices=2 /dev/nbd0 /dev/nbd1',
      'sudo mkfs.ext4 /dev/md0',
      'sudo mdadm /dev/md0 --remove /dev/nbd1',
      'sudo mdadm /dev/md0 --add /dev/nbd1',
    ]),
    'sudo oxmem-bdev detach /dev/nbd1': 'tests/kernel/commands.kernel.test.ts runs detach',
    'sudo systemctl restart oxmem-bdev@right.service': 'needs systemd as the first process',
  },
  'docs/testing.md': {
    ...untypable(runsTheTests, [
      'npm test',
      'npm test -- packages/rawsock',
      "npm test -- --project unit -t 'one NAK'",
      'npm run test:kernel',
      'npm run test:kernel -- filesystems -t xfs',
      'OXMEM_KERNEL=0 npm test',
      'OXMEM_KERNEL=guest npm test',
      'pnpm test:nodes',
      'pnpm test:prebuilds',
      'OXMEM_KILLS=100 OXMEM_SEED=2 npm test -- tests/kill-driver',
      'OXMEM_OPERATIONS=1e7 npm test -- tests/flat-memory',
      'OXMEM_REQUIRE=netns,command:fio npm test',
      'OXMEM_REQUIRE=all npm test',
      'npx vitest run --project sim packages/tloe-protocol/test/goodput.sim.test.ts -u',
    ]),
    ...untypable('takes long; tests/simulation/command.test.ts runs the command', [
      'npm run sim -- --seed 4711',
      'npm run sim -- --seed 4711 --trace',
      'npm run sim -- --runs 10000',
      'npm run sim -- --minutes 10',
    ]),
    ...untypable('takes long; tests/fuzz/fuzz.property.test.ts runs the same targets', [
      'pnpm fuzz',
      'pnpm fuzz --minutes=60 --seed=7',
      'pnpm fuzz link stranger',
      'pnpm fuzz link --genes=12345,67890',
    ]),
    ...untypable('takes long; tests/soak.e2e.test.ts runs a minute of it', [
      'pnpm soak --hours=8',
      'pnpm soak --minutes=30 --seed=7',
    ]),
  },
  'examples/vitest-simulator/README.md': {
    'npm install': 'tests/fresh-install.e2e.test.ts does it with the packed packages',
    'npm test': 'tests/fresh-install.e2e.test.ts does it with the packed packages',
  },
  'packages/nbd-kernel/README.md': {
    'sudo npx vitest run --project native --project kernel packages/nbd-kernel': runsTheTests,
  },
  'packages/oxmem-bdev/README.md': {
    'sudo modprobe nbd max_part=8': 'tests/kernel/readme.kernel.test.ts types it from README.md',
    'sudo oxmem-bdev --netdev=eth0 --mac=04:00:00:00:00:01 --size=8G':
      'tests/kernel/readme.kernel.test.ts types it from README.md, with another interface',
  },
  'packages/oxmem-bdev/systemd/README.md': {
    ...untypable(
      'needs systemd as the first process; tests/service-files.test.ts reads the files',
      [
        'sudo cp oxmem-bdev@.service /etc/systemd/system/',
        'sudo install -D -m 644 example.conf /etc/oxmem/data.conf',
        'sudo cp modules-load.conf /etc/modules-load.d/oxmem.conf',
        'sudo cp modprobe.conf /etc/modprobe.d/oxmem.conf',
        'sudo systemctl daemon-reload',
        'sudo systemctl enable --now oxmem-bdev@data.service',
        'systemctl status oxmem-bdev@data.service',
      ],
    ),
    ...untypable('changes /usr/sbin; tests/binary.e2e.test.ts does it in a folder of its own', [
      'sudo chgrp oxmem /usr/sbin/oxmem-bdev',
      'sudo chmod 0750 /usr/sbin/oxmem-bdev',
      'sudo setcap cap_net_raw,cap_sys_admin+ep /usr/sbin/oxmem-bdev',
      'getcap /usr/sbin/oxmem-bdev',
    ]),
  },
  'packages/oxmem-tloe/README.md': {
    'oxmem-tloe check --netdev=eth1 --mac=02:00:00:00:00:01 --junit=endpoint.xml':
      'takes 20 s; tests/tloe.e2e.test.ts runs it with fewer dialogues',
  },
  'packages/rawsock/README.md': {
    'unshare -Urn node hello.mjs':
      'tests/package-examples.e2e.test.ts runs it, already root of a namespace',
    'unshare -Urn npx vitest run --project native packages/rawsock': runsTheTests,
  },
};

/**
 * @param {string} reason
 * @param {readonly string[]} commands
 * @returns {Record<string, string>}
 */
function untypable(reason, commands) {
  return Object.fromEntries(commands.map((command) => [command, reason]));
}
