// What callers give, read into what the bindings take. Shapes are data: types, names and texts are checked here, before
// the call, and no rule of identity is known.

import { ActorKind, DecisionAction, ErrorCode, ResolutionMode, SubjectClass, SupportLevel } from './enums.js';
import { IdentityError } from './error.js';
import { checkTexts } from './text.js';

/** The contract writes names in kebab-case. */
const kebab = (name) => name.replaceAll('_', '-');
/** The contract's name of a member, as codes, JSON and SQL have it. */
const snake = (name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

const required = { kind: 'text', absent: '' };
const optional = { kind: 'text', absent: undefined };
const flag = { kind: 'flag' };

/**
 * A name of an enum. One that is absent or none is refused with this code; without a code it is left to the call, which
 * finds undefined or null.
 */
function oneOf(names, code) {
  return { kind: 'name', names: new Map(Object.values(names).map((name) => [name, kebab(name)])), code };
}

/** Members of an object: the name here, the name in the contract, and what it holds. */
function shape(members) {
  return Object.entries(members).map(([name, holds]) => [name, snake(name), holds]);
}

const IDENTITY = shape({
  providerKey: required,
  resourceType: required,
  providerResourceId: optional,
  externalId: optional,
  discriminator: optional,
  fingerprint: optional,
  builtIn: flag,
  default: flag,
  virtual: flag,
  tenantOwned: flag,
});

/** A governed subject. */
export const SUBJECT = shape({
  identity: { kind: 'object', shape: IDENTITY },
  subjectClass: oneOf(SubjectClass, ErrorCode.InvalidClass),
  subjectTypeKey: required,
});

/** A provider resource descriptor. */
export const DESCRIPTOR = shape({
  identity: { kind: 'object', shape: IDENTITY },
  subjectDomain: required,
  subjectClass: oneOf(SubjectClass, ErrorCode.InvalidClass),
  subjectTypeKey: required,
  supportLevel: oneOf(SupportLevel, ErrorCode.BadSupportLevel),
  displayLabel: optional,
  sourceInventoryItemId: optional,
  sourcePolicyVersionId: optional,
  sourceOperationRunId: optional,
});

/** A decision. */
export const DECISION = shape({
  action: oneOf(DecisionAction, ErrorCode.MalformedRequest),
  actor: oneOf(ActorKind, ErrorCode.MalformedRequest),
  mode: oneOf(ResolutionMode),
  subject: required,
  resource: optional,
  note: optional,
  reason: optional,
});

export function wrongType(field) {
  return IdentityError.of(ErrorCode.MalformedRequest, field, `\`${field}\` has the wrong type`);
}

/**
 * Reads what was given into a record of the bindings. Every member is read once.
 *
 * Refused in this order: a member of the wrong type, names that are none, texts that are too long, lone surrogates.
 *
 * @throws IdentityError
 */
export function readRecord(given, members) {
  const read = { texts: [], names: [] };
  const record = take(given, members, 'input', read);
  for (const [of, name, field, holds] of read.names) {
    const known = holds.names.get(of[name]);
    if (known !== undefined) of[name] = known;
    else if (holds.code !== undefined) throw IdentityError.of(holds.code, field, `\`${field}\` is absent, or none of its names`);
    else if (of[name] !== undefined) of[name] = null;
  }
  checkTexts(read.texts);
  return record;
}

function take(given, members, field, read) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) throw wrongType(field);
  const record = {};
  for (const [name, wire, holds] of members) {
    const value = given[name] ?? undefined;
    record[name] = takeValue(value, wire, holds, read);
    if (holds.kind === 'name') read.names.push([record, name, wire, holds]);
  }
  return record;
}

function takeValue(value, wire, holds, read) {
  if (holds.kind === 'object') return take(value ?? {}, holds.shape, wire, read);
  if (holds.kind === 'flag') {
    if (value !== undefined && typeof value !== 'boolean') throw wrongType(wire);
    return value ?? false;
  }
  if (value === undefined) return holds.absent;
  if (typeof value !== 'string') throw wrongType(wire);
  if (holds.kind === 'text') read.texts.push([wire, value]);
  return value;
}

/** A descriptor of the bindings, as callers see it: names in snake_case, what is absent left out. */
export function giveDescriptor(record) {
  const given = give(record, DESCRIPTOR);
  given.identity = give(record.identity, IDENTITY);
  return given;
}

/** The spelling of a name of the contract. */
export const giveName = (name) => name.replaceAll('-', '_');

function give(record, members) {
  const given = {};
  for (const [name, , holds] of members) {
    if (record[name] !== undefined) given[name] = holds.kind === 'name' ? giveName(record[name]) : record[name];
  }
  return given;
}

/** The members of a shape by the name they have in JSON. */
function byWire(members) {
  return new Map(members.map(([name, wire, holds]) => [wire, [name, holds.kind === 'object' ? byWire(holds.shape) : null]]));
}

const WIRE = byWire(DESCRIPTOR);
for (const [wire, known] of byWire(DECISION)) WIRE.set(wire, known);

/**
 * A subject, descriptor or decision with the names it has in JSON (`provider_key`), for the line protocol and the
 * service. What is absent and flags that are false are left out.
 */
export function toJson(given) {
  return rename(given, (name) => snake(name), (value) => value !== undefined && value !== null && value !== false);
}

/**
 * A subject, descriptor or decision with the names it has here (`providerKey`), from one of the line protocol or the
 * service. Values are taken as they are: the call it is given to checks them.
 *
 * @throws IdentityError `malformed-request`, `unknown-field`
 */
export function fromJson(given) {
  return fromWire(given, WIRE, 'input');
}

function fromWire(given, known, field) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) throw wrongType(field);
  const made = {};
  for (const [wire, value] of Object.entries(given)) {
    const [name, inner] = known.get(wire) ?? [];
    if (name === undefined) throw IdentityError.of(ErrorCode.UnknownField, wire, 'not a member here');
    made[name] = inner !== null && value !== null ? fromWire(value, inner, wire) : value;
  }
  return made;
}

function rename(given, name, keep) {
  const made = {};
  for (const [member, value] of Object.entries(given)) {
    if (keep(value)) made[name(member)] = typeof value === 'object' ? rename(value, name, keep) : value;
  }
  return made;
}
