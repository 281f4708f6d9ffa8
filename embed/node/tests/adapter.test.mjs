// Adapters through the package, with the invented provider.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Adapter, Identity, IdentityError, components, fromJson, toJson } from '../src/index.js';

const adapter = Adapter.open('fake');
const WIDGET = { kind: 'widget', ref: 'A:1', title: 'Front door' };

test('an object is described, and its key derived', () => {
  const [outcome] = adapter.describe(JSON.stringify(WIDGET));
  assert.deepEqual(outcome, {
    ok: true,
    position: 0,
    descriptor: {
      identity: {
        providerKey: 'fake', resourceType: 'widget', providerResourceId: 'A:1',
        builtIn: false, default: false, virtual: false, tenantOwned: true,
      },
      subjectDomain: 'things',
      subjectClass: 'policy',
      subjectTypeKey: 'widgetPolicy',
      supportLevel: 'supported',
      displayLabel: 'Front door',
    },
  });
  assert.equal(Identity.open().describe(outcome.descriptor).key, 'provider:fake:policy:widgetPolicy:widget:id:A%3A1');
});

test('every object of a document is answered for itself', () => {
  const document = JSON.stringify([WIDGET, { kind: 'widget' }, WIDGET]);
  for (const given of [document, new TextEncoder().encode(document)]) {
    const outcomes = adapter.describe(given);
    assert.deepEqual(outcomes.map(({ ok, position }) => [ok, position]), [[true, 0], [false, 1], [true, 2]]);
    assert.ok(outcomes[1].error instanceof IdentityError);
    assert.equal(typeof outcomes[1].error.code, 'string');
  }
});

test('a descriptor goes into JSON and back', () => {
  const [{ descriptor }] = adapter.describe(JSON.stringify(WIDGET));
  const json = toJson(descriptor);
  assert.deepEqual(json, {
    identity: { provider_key: 'fake', resource_type: 'widget', provider_resource_id: 'A:1', tenant_owned: true },
    subject_domain: 'things', subject_class: 'policy', subject_type_key: 'widgetPolicy',
    support_level: 'supported', display_label: 'Front door',
  });
  const identity = Identity.open();
  assert.deepEqual(identity.describe(fromJson(json)), identity.describe(descriptor));
  assert.throws(() => fromJson({ ...json, name: 'x' }), { code: 'unknown-field', field: 'name' });
  assert.throws(() => fromJson({ identity: { name: 'x' } }), { code: 'unknown-field', field: 'name' });
  for (const wrong of [null, undefined, 'x', [], 7]) {
    assert.throws(() => fromJson(wrong), { code: 'malformed-request', field: 'input' });
  }
  assert.throws(() => fromJson({ identity: 'x' }), { code: 'malformed-request', field: 'identity' });
});

test('an adapter says what it is', () => {
  const about = adapter.about();
  assert.equal(about.providerKey, 'fake');
  assert.match(about.version, /^\d+\.\d+\.\d+$/);
  assert.ok(about.entityTypes.includes('widget'));
  assert.deepEqual(about.entityTypes, [...about.entityTypes].sort());
});

test('no adapter of the name', () => {
  for (const name of ['nobody', 'identity', '../identity', '', '__proto__', 'constructor']) {
    assert.throws(() => Adapter.open(name), { name: 'ComponentError', code: 'component-unknown' });
  }
  for (const name of [undefined, null, 7, {}]) {
    assert.throws(() => Adapter.open(name), { name: 'IdentityError', code: 'malformed-request', field: 'name' });
  }
});

test('documents that are none', () => {
  const fails = (given, error) => assert.throws(() => adapter.describe(given), error);
  fails('"\ud800"', { name: 'IdentityError', code: 'invalid-utf8', field: 'document' });
  fails(new Uint8Array([0x22, 0xff, 0x22]), { name: 'IdentityError', code: 'invalid-utf8', field: 'document' });
  for (const given of [undefined, null, 7, {}, [WIDGET]]) {
    fails(given, { name: 'IdentityError', code: 'malformed-request', field: 'document' });
  }
  const long = `"${'x'.repeat(8 << 20)}"`;
  fails(long, { name: 'ComponentError', code: 'input-too-large' });
  fails(new TextEncoder().encode(long), { name: 'ComponentError', code: 'input-too-large' });
  fails(`"${'é'.repeat(5 << 20)}"`, { name: 'ComponentError', code: 'input-too-large' });
  for (const given of ['', 'nothing', '{', '\u0000', '[[[[', new Uint8Array()]) {
    const outcomes = adapter.describe(given);
    assert.deepEqual(outcomes.map(({ ok, error }) => [ok, error?.code]), [[false, 'malformed-document']], given);
  }
});

test('a document as long as may be is answered, and the next one too', () => {
  const objects = (8 << 20) / 64 - 1;
  const outcomes = adapter.describe(`[${'{"kind":"widget","ref":"A:1","title":"Front door, the left one"},'.repeat(objects).slice(0, -1)}]`.slice(0, 8 << 20));
  assert.ok(outcomes.length >= 1);
  assert.equal(adapter.describe(JSON.stringify(WIDGET))[0].ok, true);
});

test('a closed adapter is closed', () => {
  const closed = Adapter.open('fake');
  closed.close();
  closed.close();
  for (const document of ['{}', '', 7, 'x'.repeat(9 << 20)]) {
    assert.throws(() => closed.describe(document), { name: 'ComponentError', code: 'handle-closed' });
  }
  assert.throws(() => closed.about(), { name: 'ComponentError', code: 'handle-closed' });
});

test('the components are told by their digests', () => {
  const known = components();
  assert.ok(Object.isFrozen(known));
  for (const name of ['identity', 'fake']) assert.match(known[name], /^[0-9a-f]{64}$/);
});
