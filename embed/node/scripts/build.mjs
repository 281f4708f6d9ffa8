// Makes `generated/` of component files: node scripts/build.mjs FOLDER
//
// FOLDER holds identity.wasm and one file for each adapter. For each, jco writes bindings and core modules; the list of
// components beside them pins every file by its SHA-256. The project's LICENSE is copied into the
// package.

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), '..');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function jcoVersion() {
  const entry = createRequire(import.meta.url).resolve('@bytecodealliance/jco-transpile');
  return JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')).version;
}

/**
 * What is changed in the bindings as jco writes them, found exactly once each or the build fails.
 *
 * A byte-order mark at the start of a text is part of it: the decoder would drop it. And no variable of the
 * environment may make a library print what it is given.
 */
const CHANGES = [
  [/new TextDecoder\(\)/g, "new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })"],
  [/const _debugLog = \(\.\.\.args\) => \{\s*if \([^)]*JCO_DEBUG\) \{ return; \}\s*console\.debug\(\.\.\.args\);\s*\}/g, 'const _debugLog = () => {}'],
];

function change(name, bindings) {
  for (const [found, put] of CHANGES) {
    const count = [...bindings.matchAll(found)].length;
    if (count !== 1) throw new Error(`the bindings of ${name} have ${found} ${count} times`);
    bindings = bindings.replace(found, put);
  }
  return bindings;
}

/** The files made of one component, by name. */
async function transpile(name, component) {
  const { files, imports } = await transpileBytes(component, {
    name,
    instantiation: 'sync',
    emitTypescriptDeclarations: false,
    nodejsCompat: false,
    base64Cutoff: 0,
  });
  if (imports.length > 0) throw new Error(`${name}.wasm wants to import ${imports.join(', ')}`);
  const wanted = Object.entries(files).filter(([file]) => /\.(js|wasm)$/.test(file));
  return wanted.map(([file, bytes]) => [
    file,
    file.endsWith('.js') ? Buffer.from(change(name, Buffer.from(bytes).toString('utf8'))) : bytes,
  ]);
}

async function build(folder) {
  const names = readdirSync(folder)
    .filter((file) => /^[a-z0-9][a-z0-9_]*\.wasm$/.test(file))
    .map((file) => file.slice(0, -'.wasm'.length))
    .sort();
  if (!names.includes('identity')) throw new Error(`there is no identity.wasm in ${folder}`);
  const target = join(PACKAGE, 'generated');
  const making = `${target}.${process.pid}`;
  rmSync(making, { recursive: true, force: true });
  const components = {};
  for (const name of names) {
    const component = readFileSync(join(folder, `${name}.wasm`));
    mkdirSync(join(making, name), { recursive: true });
    const files = {};
    for (const [file, bytes] of await transpile(name, component)) {
      writeFileSync(join(making, name, file), bytes);
      files[file] = sha256(bytes);
    }
    components[name] = { sha256: sha256(component), files };
  }
  writeFileSync(join(making, 'manifest.json'), `${JSON.stringify({ jco: jcoVersion(), components }, null, 2)}\n`);
  rmSync(target, { recursive: true, force: true });
  renameSync(making, target);
  copyFileSync(join(PACKAGE, '..', '..', 'LICENSE'), join(PACKAGE, 'LICENSE'));
  for (const name of names) console.log(`${name} ${components[name].sha256}`);
}

if (process.argv.length !== 3) {
  console.error('usage: node scripts/build.mjs FOLDER');
  process.exitCode = 2;
} else {
  await build(process.argv[2]);
}
