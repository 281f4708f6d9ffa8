// The package as it is published: what is in it, that its examples run and say what they say, and its types.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'provident-node-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(command, args, cwd) {
  const ran = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.equal(ran.status, 0, `${ran.error ?? ''}${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}

/** Packs the package and puts it where a project of its own finds it. */
function install() {
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], PACKAGE));
  const place = join(folder, 'project', 'node_modules', '@provident', 'identity');
  mkdirSync(place, { recursive: true });
  run('tar', ['-xzf', join(folder, filename), '-C', place, '--strip-components=1']);
  return files.map(({ path }) => path);
}

const files = install();
const project = join(folder, 'project');

test('the package holds what it needs to run and nothing else', () => {
  assert.ok(files.includes('generated/manifest.json') && files.includes('generated/identity/identity.core.wasm'));
  for (const file of files) assert.match(file, /^(package\.json|README\.md|LICENSE|index\.d\.ts|src\/\w+\.js|generated\/[\w./]+)$/);
  const { dependencies, optionalDependencies, peerDependencies, scripts } = JSON.parse(
    readFileSync(join(project, 'node_modules/@provident/identity/package.json'), 'utf8'),
  );
  assert.deepEqual([dependencies, optionalDependencies, peerDependencies], [undefined, undefined, undefined]);
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(scripts[hook], undefined);
});

test('the package carries the licence of the project', () => {
  assert.ok(files.includes('LICENSE'));
  const carried = readFileSync(join(project, 'node_modules/@provident/identity/LICENSE'));
  assert.deepEqual(carried, readFileSync(join(PACKAGE, '../../LICENSE')));
});

test('no link of the README leaves the package', () => {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(([^)]*)\)/g)].map(([, link]) => link);
  assert.ok(links.length > 0);
  for (const link of links) assert.ok(link.startsWith('https://') || files.includes(link), link);
});

test('the examples of the README run, and print what they say they print', () => {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
  assert.equal(examples.length, 2);
  examples.forEach((code, index) => {
    const file = join(project, `example-${index}.mjs`);
    writeFileSync(file, code);
    const said = [];
    // A comment after a call of console.log, or on a line of its own below one, is what is printed.
    let printing = false;
    for (const line of code.split('\n')) {
      const [, alone, comment] = /^(\s*)\/\/ (.*)$/.exec(line) ?? [];
      const beside = /console\.log\(.*\); \/\/ (.*)$/.exec(line);
      if (beside) said.push(beside[1]);
      else if (comment !== undefined && printing && alone !== undefined) said.push(comment);
      printing = /console\.log\(|process\.stdout/.test(line) && !beside || (printing && comment !== undefined);
    }
    assert.ok(said.length > 0);
    assert.deepEqual(run(process.execPath, [file], project).trimEnd().split('\n'), said);
  });
});

test('a strict compiler takes the types, and refuses what they refuse', () => {
  for (const name of ['tsconfig.json', 'example.mts']) {
    writeFileSync(join(project, name), readFileSync(new URL(`types/${name}`, import.meta.url)));
  }
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  const roots = join(PACKAGE, 'node_modules', '@types');
  run(process.execPath, [join(PACKAGE, 'node_modules/typescript/bin/tsc'), '-p', '.', '--typeRoots', roots], project);
});
