// What the identity component answers through the package.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { ActorKind, DecisionAction, Identity, IdentityError, ResolutionMode, SubjectClass, SupportLevel, toJson } from '../src/index.js';

const identity = Identity.open();
const widget = {
  identity: { providerKey: 'fake', resourceType: 'widget', providerResourceId: 'A:1', tenantOwned: true },
  subjectClass: SubjectClass.Policy,
  subjectTypeKey: 'widgetPolicy',
};
const KEY = 'provider:fake:policy:widgetPolicy:widget:id:A%3A1';

test('a key is derived, with its digest', () => {
  const digest = `sha256:${createHash('sha256').update(KEY).digest('hex')}`;
  assert.deepEqual(identity.derive(widget), { key: KEY, digest });
  assert.equal(identity.digest(KEY), digest);
});

test('a key is taken apart', () => {
  assert.deepEqual(identity.parse(KEY), {
    providerKey: 'fake',
    subjectClass: 'policy',
    subjectTypeKey: 'widgetPolicy',
    resourceType: 'widget',
    form: 'id',
    value: 'A:1',
  });
  assert.equal(identity.parse('provider:fake:virtual-target:t:t:disc:all').subjectClass, 'virtual_assignment_target');
});

test('a byte-order mark inside a text is part of it', () => {
  const { key } = identity.derive({ ...widget, identity: { ...widget.identity, providerResourceId: '\ufeffA' } });
  assert.equal(key, 'provider:fake:policy:widgetPolicy:widget:id:%EF%BB%BFA');
  assert.equal(identity.parse(key).value, '\ufeffA');
});

test('many keys: each subject is answered for itself, in order', () => {
  const refused = { ...widget, subjectTypeKey: '' };
  const outcomes = identity.deriveMany([widget, refused, widget]);
  assert.deepEqual(outcomes.map(({ ok }) => ok), [true, false, true]);
  assert.equal(outcomes[2].key, KEY);
  assert.ok(outcomes[1].error instanceof IdentityError);
  assert.deepEqual([outcomes[1].error.code, outcomes[1].error.field], ['empty-field', 'subject_type_key']);
  assert.deepEqual(identity.deriveMany([]), []);
  assert.deepEqual(identity.deriveMany(new Set([widget])), [{ ok: true, key: KEY }]);
});

test('many keys take several calls, whatever the texts are', () => {
  const texts = ['A:1', 'Köln/7', '日本', '😀', 'x'.repeat(512), 'ü'.repeat(150)];
  const subjects = Array.from({ length: 5000 }, (_, at) => ({
    ...widget,
    identity: { ...widget.identity, providerResourceId: `${texts[at % texts.length]}`.slice(0, 512 - (at % 3)), externalId: `${at}` },
  }));
  const outcomes = identity.deriveMany(subjects);
  subjects.forEach((subject, at) => {
    if (at % 50 < texts.length) assert.equal(outcomes[at].key, identity.derive(subject).key);
  });
  assert.equal(new Set(outcomes.map(({ key }) => key)).size, new Set(subjects.map((one) => one.identity.providerResourceId)).size);
});

test('records of every mixture of lengths are packed as what they are', () => {
  const subjects = [];
  const expected = [];
  const lengths = [1, 2, 3, 5, 8, 13, 21, 22, 34, 41, 55, 60, 63];
  for (const a of lengths) {
    for (const b of lengths) {
      for (const c of lengths) {
        const [provider, type, key, id] = ['p'.repeat(a), 't'.repeat(b), 'k'.repeat(c), 'i'.repeat(64 - b)];
        subjects.push({ identity: { providerKey: provider, resourceType: type, providerResourceId: id }, subjectClass: 'policy', subjectTypeKey: key });
        expected.push(`provider:${provider}:policy:${key}:${type}:id:${id}`);
      }
    }
  }
  for (let length = 1; length <= 64; length++) {
    for (let other = 1; other <= 64; other++) {
      const [provider, key] = ['p'.repeat(length), 'k'.repeat(other)];
      subjects.push({ identity: { providerKey: provider, resourceType: 't', externalId: 'x' }, subjectClass: 'policy', subjectTypeKey: key });
      expected.push(`provider:${provider}:policy:${key}:t:ext:x`);
    }
  }
  assert.deepEqual(identity.deriveMany(subjects).map(({ key }) => key), expected);
});

test('texts whose lengths differ by a multiple of 256 are not mistaken for each other', () => {
  const sample = { providerKey: 'p', resourceType: 't', providerResourceId: 'i', externalId: 'e', discriminator: 'd', fingerprint: 'f' };
  const outcome = (ask) => {
    try {
      return ask().key;
    } catch ({ code, field }) {
      return `${code} ${field}`;
    }
  };
  for (const name of [...Object.keys(sample), 'subjectTypeKey']) {
    const subjects = [9, 265, 9, 521, 265].map((length) => {
      const text = 'x'.repeat(length);
      if (name === 'subjectTypeKey') return { identity: sample, subjectClass: 'policy', subjectTypeKey: text };
      return { identity: { ...sample, [name]: text }, subjectClass: 'policy', subjectTypeKey: 'k' };
    });
    assert.deepEqual(
      identity.deriveMany(subjects).map((derived) => outcome(() => { if (!derived.ok) throw derived.error; return derived; })),
      subjects.map((subject) => outcome(() => identity.derive(subject))),
      name,
    );
  }
});

test('a list may be asked for while another one is packed', () => {
  let inner;
  const nosy = { ...widget, get subjectTypeKey() { inner = identity.deriveMany([widget]); return 'nosy'; } };
  const outcomes = identity.deriveMany([widget, nosy, widget]);
  assert.deepEqual(inner, [{ ok: true, key: KEY }]);
  assert.deepEqual(outcomes.map(({ key }) => key), [KEY, KEY.replace('widgetPolicy', 'nosy'), KEY]);
});

test('a descriptor is validated and rendered', () => {
  const descriptor = { ...widget, subjectDomain: 'things', supportLevel: SupportLevel.InventoryOnly, displayLabel: 'Door' };
  const { key, canonical, digest } = identity.describe(descriptor);
  assert.equal(key, KEY);
  assert.equal(JSON.parse(canonical).support_level, 'inventory_only');
  assert.ok(!canonical.includes('Door'));
  assert.equal(digest, `sha256:${createHash('sha256').update(canonical).digest('hex')}`);
});

test('a decision is judged by every rule', () => {
  const decision = {
    action: DecisionAction.Create,
    actor: ActorKind.Operator,
    mode: ResolutionMode.ManualBinding,
    subject: KEY,
    resource: KEY,
    note: 'agreed with the owners',
  };
  assert.equal(identity.decide(decision), undefined);
  const { resource, note, ...bare } = decision;
  assert.throws(() => identity.decide(bare), (error) => {
    assert.ok(error instanceof IdentityError);
    assert.deepEqual(error.errors.map(({ code, field }) => [code, field]), [
      ['resource-required', 'resource'],
      ['note-required', 'note'],
    ]);
    assert.deepEqual([error.code, error.field], ['resource-required', 'resource']);
    return true;
  });
});

test('no error shows a note, an identity even less', () => {
  const note = 'a secret that nobody else may read';
  const decision = { action: 'create', actor: 'system', mode: 'manual_binding', subject: KEY, note, reason: 'Not a code' };
  for (const broken of [decision, { ...decision, note: `${note}\u0000` }, { ...decision, note: `${note}\ud800` }, { ...decision, note: note.repeat(200) }]) {
    assert.throws(() => identity.decide(broken), (error) => {
      assert.ok(error instanceof IdentityError);
      assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('secret'));
      return true;
    });
  }
  assert.ok(!inspect(identity, { depth: 9, showHidden: true }).includes('secret'));
});

test('a note is rewritten as it is judged and stored', () => {
  assert.equal(identity.rewriteNote('  a\r\nb\rc \n'), 'a\nb\nc');
  assert.equal(identity.rewriteNote(' \t'), undefined);
});

test('versions and limits', () => {
  assert.deepEqual(identity.about(), {
    grammarVersion: 1,
    contractVersion: '1.0.0',
    limits: { lineBytes: 65536, batchBytes: 1048576, keyBytes: 1024, typeBytes: 128, valueBytes: 512, labelBytes: 512, noteChars: 2000 },
  });
});

test('a batch is answered line by line, as text and as bytes', () => {
  const request = JSON.stringify({ id: 'a', op: 'derive', input: toJson(widget) });
  const replies = identity.batch(`\ufeff${request}\n\n{"op":"nothing"}`);
  const [first, second, ...rest] = replies.split('\n');
  assert.equal(JSON.parse(first).ok.key, KEY);
  assert.equal(JSON.parse(second).error.code, 'unknown-op');
  assert.deepEqual(rest, ['']);
  assert.equal(identity.batch(new TextEncoder().encode(`\ufeff${request}\n\n{"op":"nothing"}`)), replies);
});

test('a batch of many short lines is answered whole', () => {
  const replies = identity.batch('{"op":"about"}\n'.repeat(8192) + '\ufeff{"op":"about"}\n');
  const lines = replies.split('\n');
  assert.equal(lines.length, 8194);
  assert.ok(lines.slice(0, 8192).every((line) => line === lines[0]));
  assert.equal(JSON.parse(lines[8192]).error.code, 'malformed-request');
});

test('a closed component is closed', async () => {
  const closed = Identity.open();
  closed.close();
  closed.close();
  const calls = [
    () => closed.derive(widget), () => closed.deriveMany([widget]), () => closed.deriveMany([]), () => closed.parse(KEY),
    () => closed.digest(KEY), () => closed.about(), () => closed.batch('{"op":"about"}'), () => closed.rewriteNote('x'),
    () => closed.decide({ action: 'create', actor: 'operator', subject: KEY }),
    () => closed.describe({ ...widget, subjectDomain: 'things', supportLevel: 'supported' }),
    // Whatever is given.
    () => closed.batch(''), () => closed.batch(new Uint8Array()), () => closed.batch(7), () => closed.batch('x'.repeat(2 << 20)),
    () => closed.derive(7), () => closed.derive({ ...widget, subjectClass: 'nothing' }), () => closed.deriveMany(7),
    () => closed.parse(7), () => closed.digest('\ud800'), () => closed.describe(7), () => closed.rewriteNote(7),
    () => closed.decide(7), () => closed.decide({ action: 'create', actor: 'operator', mode: 'nothing', subject: KEY }),
  ];
  for (const call of calls) assert.throws(call, { name: 'ComponentError', code: 'handle-closed' });
  for (const input of [[], [Buffer.from('{"op":"about"}\n')]]) {
    await assert.rejects(closed.lines(input).next(), { name: 'ComponentError', code: 'handle-closed' });
  }
  assert.equal(identity.digest(KEY).length, 71);
});

test('it is disposed of', { skip: Symbol.dispose === undefined && 'this Node.js has no Symbol.dispose' }, () => {
  const disposed = Identity.open();
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.about(), { code: 'handle-closed' });
});

test('every thread may open its own', async () => {
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { Identity } from '${new URL('../src/index.js', import.meta.url)}';
    const identity = Identity.open();
    parentPort.postMessage(Array.from({ length: 300 }, () => identity.derive(workerData).key));`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const answers = await Promise.all(
    [1, 2, 3].map(() => new Promise((resolve, reject) => {
      new Worker(url, { workerData: widget }).once('message', resolve).once('error', reject);
    })),
  );
  for (const keys of answers) assert.deepEqual(keys, Array(300).fill(KEY));
});
