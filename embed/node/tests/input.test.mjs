// Input that no key can be made of: a typed error with a stable code and field, and the next call works.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Adapter, ComponentError, Identity, IdentityError } from '../src/index.js';

const identity = Identity.open();
const OF_IDENTITY = {
  providerKey: 'provider_key', resourceType: 'resource_type', providerResourceId: 'provider_resource_id',
  externalId: 'external_id', discriminator: 'discriminator', fingerprint: 'fingerprint',
};
const FLAGS = { builtIn: 'built_in', default: 'default', virtual: 'virtual', tenantOwned: 'tenant_owned' };
const SOURCES = {
  sourceInventoryItemId: 'source_inventory_item_id', sourcePolicyVersionId: 'source_policy_version_id',
  sourceOperationRunId: 'source_operation_run_id',
};
const KEY = 'provider:fake:policy:w:w:id:1';
const TEN_MIB = 'x'.repeat(10 << 20);

/** A descriptor, which is a subject as well, with some members changed. */
function descriptor(changes = {}, ofIdentity = {}) {
  return {
    identity: { providerKey: 'fake', resourceType: 'widget', providerResourceId: 'A:1', tenantOwned: true, ...ofIdentity },
    subjectClass: 'policy',
    subjectTypeKey: 'widgetPolicy',
    subjectDomain: 'things',
    supportLevel: 'supported',
    ...changes,
  };
}
const decision = (changes) => ({
  action: 'create', actor: 'operator', mode: 'excluded_non_governed', subject: KEY, note: 'agreed', ...changes,
});

function refuses(call, code, field) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof IdentityError, `${error}`);
    assert.deepEqual([error.code, error.field, error.errors.length], [code, field, 1]);
    assert.ok(error.message.length < 400, 'the input is not echoed');
    return true;
  });
}

/** Single and bulk form say the same. */
function bothRefuse(subject, code, field) {
  refuses(() => identity.derive(subject), code, field);
  refuses(() => identity.describe(subject), code, field);
  const [before, outcome, after] = identity.deriveMany([descriptor(), subject, descriptor()]);
  assert.ok(before.ok && after.ok, 'the others are answered');
  refuses(() => { throw outcome.error; }, code, field);
}

/** A typed call over its limit is a refusal, a batch a failure. */
const tooLarge = (call) => refuses(call, 'request-too-large', 'request');
const batchTooLarge = (call) =>
  assert.throws(call, (error) => error instanceof ComponentError && error.code === 'input-too-large' && error.message.length < 400);

test('the sample is accepted', () => {
  assert.equal(identity.describe(descriptor()).key, identity.derive(descriptor()).key);
  identity.decide(decision());
});

test('members of the wrong type', () => {
  for (const value of [7, true, {}, [], Symbol('x'), () => 'x', 1n, new String('x')]) {
    for (const [name, field] of Object.entries(OF_IDENTITY)) {
      bothRefuse(descriptor({}, { [name]: value }), 'malformed-request', field);
    }
    bothRefuse(descriptor({ subjectTypeKey: value }), 'malformed-request', 'subject_type_key');
    bothRefuse(descriptor({ subjectClass: value }), 'malformed-request', 'subject_class');
    for (const [name, field] of Object.entries({ ...SOURCES, subjectDomain: 'subject_domain', supportLevel: 'support_level', displayLabel: 'display_label' })) {
      refuses(() => identity.describe(descriptor({ [name]: value })), 'malformed-request', field);
    }
    for (const name of Object.keys(decision({ resource: KEY, reason: 'moved' }))) {
      refuses(() => identity.decide(decision({ [name]: value })), 'malformed-request', name);
    }
    refuses(() => identity.parse(value), 'malformed-request', 'key');
    refuses(() => identity.digest(value), 'malformed-request', 'key');
    refuses(() => identity.rewriteNote(value), 'malformed-request', 'note');
    refuses(() => identity.batch(value), 'malformed-request', 'request');
  }
  for (const value of [0, 1, 'true', {}, []]) {
    for (const [name, field] of Object.entries(FLAGS)) {
      bothRefuse(descriptor({}, { [name]: value }), 'malformed-request', field);
    }
  }
  for (const value of ['x', 7, true, []]) bothRefuse(descriptor({ identity: value }), 'malformed-request', 'identity');
  for (const value of [undefined, null, 'x', 7, true, []]) bothRefuse(value, 'malformed-request', 'input');
  for (const value of [undefined, null, 'x', 7]) {
    refuses(() => identity.decide(value), 'malformed-request', 'input');
    refuses(() => identity.deriveMany(value), 'malformed-request', 'input');
  }
});

test('null and undefined are absent', () => {
  for (const absent of [undefined, null]) {
    bothRefuse(descriptor({ identity: absent }), 'empty-field', 'provider_key');
    bothRefuse(descriptor({}, { resourceType: absent }), 'empty-field', 'resource_type');
    bothRefuse(descriptor({}, { providerResourceId: absent }), 'missing-identity', 'provider_resource_id');
    bothRefuse(descriptor({ subjectClass: absent }), 'invalid-class', 'subject_class');
    refuses(() => identity.describe(descriptor({ supportLevel: absent })), 'bad-support-level', 'support_level');
    refuses(() => identity.decide(decision({ mode: absent })), 'mode-not-allowed', 'mode');
    refuses(() => identity.decide(decision({ action: absent })), 'malformed-request', 'action');
  }
});

test('names that are none', () => {
  for (const name of ['', 'Policy', 'assignment-target', 'policy\u0000', 'toString', '__proto__']) {
    bothRefuse(descriptor({ subjectClass: name }), 'invalid-class', 'subject_class');
  }
  refuses(() => identity.describe(descriptor({ supportLevel: 'inventory-only' })), 'bad-support-level', 'support_level');
  refuses(() => identity.decide(decision({ mode: 'manual-binding' })), 'mode-not-allowed', 'mode');
  refuses(() => identity.decide(decision({ action: 'delete' })), 'malformed-request', 'action');
  refuses(() => identity.decide(decision({ actor: 'root' })), 'malformed-request', 'actor');
});

test('lone surrogates', () => {
  for (const text of ['\ud800', 'a\udc00', '\udc00\ud800', `${'x'.repeat(5000)}\ud83d`, '😀\ud83d']) {
    for (const [name, field] of Object.entries(OF_IDENTITY)) {
      bothRefuse(descriptor({}, { [name]: text }), 'invalid-utf8', field);
    }
    bothRefuse(descriptor({ subjectTypeKey: text }), 'invalid-utf8', 'subject_type_key');
    for (const [name, field] of Object.entries({ ...SOURCES, subjectDomain: 'subject_domain', displayLabel: 'display_label' })) {
      refuses(() => identity.describe(descriptor({ [name]: text })), 'invalid-utf8', field);
    }
    for (const name of ['subject', 'resource', 'note', 'reason']) {
      refuses(() => identity.decide(decision({ [name]: text })), 'invalid-utf8', name);
    }
    refuses(() => identity.parse(text), 'invalid-utf8', 'key');
    refuses(() => identity.digest(text), 'invalid-utf8', 'key');
    refuses(() => identity.rewriteNote(text), 'invalid-utf8', 'note');
    refuses(() => identity.batch(`{"id":"${text}"}`), 'invalid-utf8', 'request');
  }
  // Two halves in neighbouring texts are no pair.
  bothRefuse(descriptor({}, { providerResourceId: '\ud83d', externalId: '\ude00' }), 'invalid-utf8', 'provider_resource_id');
});

test('bytes that are not UTF-8', () => {
  for (const bytes of [[0xff], [0x7b, 0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]]) {
    refuses(() => identity.batch(new Uint8Array(bytes)), 'invalid-utf8', 'request');
  }
});

test('NUL and other controls', () => {
  for (const text of ['\u0000', 'a\u0000b', 'a\u009fb']) {
    bothRefuse(descriptor({}, { providerResourceId: text }), 'control-character', 'provider_resource_id');
  }
  refuses(() => identity.parse(`${KEY}\u0000`), 'bad-escape', 'value');
});

test('ten MiB', () => {
  for (const name of Object.keys(OF_IDENTITY)) {
    const subject = descriptor({}, { [name]: TEN_MIB });
    bothRefuse(subject, 'request-too-large', 'request');
  }
  tooLarge(() => identity.describe(descriptor({ displayLabel: TEN_MIB })));
  for (const name of ['subject', 'resource', 'note', 'reason']) tooLarge(() => identity.decide(decision({ [name]: TEN_MIB })));
  tooLarge(() => identity.parse(TEN_MIB));
  tooLarge(() => identity.digest(TEN_MIB));
  tooLarge(() => identity.rewriteNote(TEN_MIB));
  batchTooLarge(() => identity.batch(TEN_MIB));
  batchTooLarge(() => identity.batch(new Uint8Array(10 << 20)));
  assert.equal(identity.digest(KEY).length, 71);
});

test('the limit of one call counts bytes of UTF-8, of all texts together', () => {
  const wide = 'é'.repeat(1 << 19);
  assert.equal(identity.rewriteNote(wide), wide);
  tooLarge(() => identity.rewriteNote(`${wide}x`));
  const full = (bytes) => descriptor({}, { providerResourceId: 'x'.repeat(bytes / 2), externalId: 'é'.repeat(bytes / 4) });
  const others = 'fake'.length + 'widget'.length + 'widgetPolicy'.length;
  const most = (1 << 20) - others - ((1 << 20) - others) % 4;
  bothRefuse(full(most + 4), 'request-too-large', 'request');
  refuses(() => identity.derive(full(most)), 'field-too-long', 'provider_resource_id');
  const [outcome] = identity.deriveMany([full(most)]);
  refuses(() => { throw outcome.error; }, 'field-too-long', 'provider_resource_id');
  assert.equal(identity.batch(`${' '.repeat((1 << 20) - 1)}\n`).split('\n').length, 2);
  batchTooLarge(() => identity.batch(' '.repeat((1 << 20) + 1)));
});

test('an unknown mode is judged as the component judges one in a line', () => {
  const OTHER = 'provider:other:policy:w:w:id:1';
  const bare = ({ code, field }) => `${code}@${field}`;
  let compared = 0;
  for (const action of ['create', 'supersede', 'revoke']) {
    for (const actor of ['operator', 'system']) {
      for (const mode of ['nothing', '', 'Manual_Binding', 'manual-binding', 'toString', 'manual_binding', undefined]) {
        for (const subject of [KEY, 'nothing', '', `${KEY}:x`]) {
          for (const resource of [undefined, KEY, OTHER, 'nothing']) {
            for (const [note, reason] of [[undefined, undefined], ['agreed', 'moved'], ['x'.repeat(2001), 'Not a code']]) {
              const input = { action, actor, mode, subject, resource, note, reason };
              const reply = JSON.parse(identity.batch(JSON.stringify({ op: 'decide', input })));
              let told = [];
              try {
                identity.decide(input);
              } catch (error) {
                assert.ok(error instanceof IdentityError, `${error}`);
                told = error.errors;
              }
              assert.deepEqual(told.map(bare), (reply.errors ?? []).map(bare), JSON.stringify(input));
              compared++;
            }
          }
        }
      }
    }
  }
  assert.equal(compared, 3 * 2 * 7 * 4 * 4 * 3);
  // Where the keys do not parse, nothing else is said; a note that no line can hold is judged all the same.
  refuses(() => identity.decide(decision({ mode: 'nothing', subject: 'nothing' })), 'unknown-scheme', 'subject');
  refuses(() => identity.decide(decision({ mode: 'nothing', resource: 'nothing' })), 'unknown-scheme', 'resource');
  const long = decision({ mode: 'nothing', note: 'x'.repeat(72_000) });
  assert.throws(() => identity.decide(long), (error) => {
    assert.deepEqual(error.errors.map(bare), ['mode-not-allowed@mode', 'note-too-long@note']);
    return true;
  });
  refuses(() => identity.decide(decision({ mode: 'nothing', action: 'nothing' })), 'malformed-request', 'action');
  refuses(() => identity.decide(decision({ mode: 'nothing', note: '\ud800' })), 'invalid-utf8', 'note');
  refuses(() => identity.decide(decision({ mode: '\ud800' })), 'mode-not-allowed', 'mode');
});

test('memory that was given away is no text', () => {
  for (const transfer of [new Uint8Array(8), new Uint8Array(0), Buffer.from(new ArrayBuffer(8))]) {
    structuredClone(transfer.buffer, { transfer: [transfer.buffer] });
    refuses(() => identity.batch(transfer), 'malformed-request', 'request');
    const adapter = Adapter.open('fake');
    refuses(() => adapter.describe(transfer), 'malformed-request', 'document');
  }
  assert.equal(identity.batch(new Uint8Array(0)), '');
  assert.equal(identity.batch(new Uint8Array(new ArrayBuffer(8), 8)), '');
});

test('what a getter throws goes through, and the next call works', () => {
  const broken = descriptor();
  Object.defineProperty(broken.identity, 'externalId', { get() { throw new RangeError('mine'); } });
  assert.throws(() => identity.derive(broken), { name: 'RangeError', message: 'mine' });
  assert.throws(() => identity.deriveMany([descriptor(), broken]), { name: 'RangeError', message: 'mine' });
  assert.equal(identity.deriveMany([descriptor()])[0].key, identity.derive(descriptor()).key);
});

test('members that nobody knows are not looked at', () => {
  const answers = identity.deriveMany([descriptor({ name: 'x' }, { displayName: 'y' })]);
  assert.equal(answers[0].key, identity.derive(descriptor()).key);
});
