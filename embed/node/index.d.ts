/// <reference lib="esnext.disposable" />
// Provident's identity components in Node.js. Codes: docs/codes.md of the project; contract: its wit/ folder.

/** What kind of thing a governed subject is. Decides the form its key may take. */
export declare const SubjectClass: {
  readonly Policy: 'policy';
  readonly Foundation: 'foundation';
  readonly AssignmentTarget: 'assignment_target';
  readonly VirtualAssignmentTarget: 'virtual_assignment_target';
  readonly ProviderBuiltin: 'provider_builtin';
  readonly ProviderDefault: 'provider_default';
  readonly Unsupported: 'unsupported';
  readonly Unknown: 'unknown';
};
export type SubjectClass = (typeof SubjectClass)[keyof typeof SubjectClass];

/** How a subject came to be bound. The first three are written by the system, the others by operators. */
export declare const ResolutionMode: {
  readonly ExactProviderIdentity: 'exact_provider_identity';
  readonly CanonicalBuiltin: 'canonical_builtin';
  readonly CanonicalVirtualTarget: 'canonical_virtual_target';
  readonly ManualBinding: 'manual_binding';
  readonly ExcludedNonGoverned: 'excluded_non_governed';
  readonly AcceptedLimitation: 'accepted_limitation';
  readonly UnsupportedCoverage: 'unsupported_coverage';
  readonly MissingExpected: 'missing_expected';
};
export type ResolutionMode = (typeof ResolutionMode)[keyof typeof ResolutionMode];

/** The life of a binding. */
export declare const BindingStatus: {
  readonly Active: 'active';
  readonly Superseded: 'superseded';
  readonly Revoked: 'revoked';
};
export type BindingStatus = (typeof BindingStatus)[keyof typeof BindingStatus];

/** How far the platform can go with a resource. */
export declare const SupportLevel: {
  readonly Supported: 'supported';
  readonly InventoryOnly: 'inventory_only';
  readonly Unsupported: 'unsupported';
};
export type SupportLevel = (typeof SupportLevel)[keyof typeof SupportLevel];

/** Which of its identities a key carries: the provider's id, an external id, a discriminator. */
export declare const KeyForm: {
  readonly Id: 'id';
  readonly Ext: 'ext';
  readonly Disc: 'disc';
};
export type KeyForm = (typeof KeyForm)[keyof typeof KeyForm];

/** What a decision does. */
export declare const DecisionAction: {
  readonly Create: 'create';
  readonly Supersede: 'supersede';
  readonly Revoke: 'revoke';
};
export type DecisionAction = (typeof DecisionAction)[keyof typeof DecisionAction];

/** Who decides. */
export declare const ActorKind: {
  readonly Operator: 'operator';
  readonly System: 'system';
};
export type ActorKind = (typeof ActorKind)[keyof typeof ActorKind];

/** Every reason to refuse an input, in the order of the contract. */
export declare const ErrorCode: {
  /** A line over 65,536 bytes, or over 1 MiB of text in one call. */
  readonly RequestTooLarge: 'request-too-large';
  /** Not UTF-8. */
  readonly InvalidUtf8: 'invalid-utf8';
  /** Not one JSON object of the expected shape. */
  readonly MalformedRequest: 'malformed-request';
  /** No such operation. */
  readonly UnknownOp: 'unknown-op';
  /** A member nobody knows. */
  readonly UnknownField: 'unknown-field';
  /** The subject class is absent or not one of the eight. */
  readonly InvalidClass: 'invalid-class';
  /** Required or given, and empty. */
  readonly EmptyField: 'empty-field';
  /** Starts or ends with Unicode White_Space. */
  readonly SurroundingWhitespace: 'surrounding-whitespace';
  /** Contains a control character. */
  readonly ControlCharacter: 'control-character';
  /** Contains a Unicode noncharacter. */
  readonly Noncharacter: 'noncharacter';
  /** Over the limit of its field, in bytes. */
  readonly FieldTooLong: 'field-too-long';
  /** Outside `[a-z0-9][a-z0-9_-]{0,63}`. */
  readonly BadProviderKey: 'bad-provider-key';
  /** Outside `[a-z0-9][a-z0-9._-]*`. */
  readonly BadDiscriminator: 'bad-discriminator';
  /** Tenant-owned together with built-in, default or virtual. */
  readonly ConflictingFlags: 'conflicting-flags';
  /** The class says one thing, the flags another. */
  readonly ClassIdentityMismatch: 'class-identity-mismatch';
  /** The form is `disc` and there is no discriminator. */
  readonly MissingDiscriminator: 'missing-discriminator';
  /** There is nothing that identifies the resource. */
  readonly MissingIdentity: 'missing-identity';
  /** The key exceeds 1,024 bytes. */
  readonly KeyTooLong: 'key-too-long';
  /** The key does not start with `provider:`. */
  readonly UnknownScheme: 'unknown-scheme';
  /** The key does not have seven segments. */
  readonly WrongArity: 'wrong-arity';
  /** The form is none of `id`, `ext`, `disc`. */
  readonly UnknownForm: 'unknown-form';
  /** A byte that must be escaped, or a broken escape. */
  readonly BadEscape: 'bad-escape';
  /** An escape in lower case, or of a byte that needs none. */
  readonly NonCanonicalEscape: 'non-canonical-escape';
  /** The class does not take this form. */
  readonly ClassFormMismatch: 'class-form-mismatch';
  /** Outside `[a-z0-9][a-z0-9_-]{0,63}`. */
  readonly BadSubjectDomain: 'bad-subject-domain';
  /** The support level is absent or not one of the three. */
  readonly BadSupportLevel: 'bad-support-level';
  /** Actor, action and mode do not go together. */
  readonly ModeNotAllowed: 'mode-not-allowed';
  /** The mode does not allow the subject's class or form. */
  readonly ModeSubjectMismatch: 'mode-subject-mismatch';
  /** The mode needs a resource. */
  readonly ResourceRequired: 'resource-required';
  /** The mode or action takes no resource. */
  readonly ResourceNotAllowed: 'resource-not-allowed';
  /** The resource is another provider's. */
  readonly ResourceProviderMismatch: 'resource-provider-mismatch';
  /** An automatic mode, and the resource is not the subject itself. */
  readonly ResourceKeyMismatch: 'resource-key-mismatch';
  /** The decision needs a note. */
  readonly NoteRequired: 'note-required';
  /** The decision takes no note. */
  readonly NoteNotAllowed: 'note-not-allowed';
  /** The note is over 2,000 Unicode scalar values. */
  readonly NoteTooLong: 'note-too-long';
  /** The decision needs a reason code. */
  readonly ReasonRequired: 'reason-required';
  /** The decision takes no reason code. */
  readonly ReasonNotAllowed: 'reason-not-allowed';
  /** Outside `[a-z0-9]+(-[a-z0-9]+)*`, or over 64 bytes. */
  readonly BadReason: 'bad-reason';
  /** A raw document that is not JSON, or not of a shape the adapter knows. */
  readonly MalformedDocument: 'malformed-document';
  /** A raw document over 8 MiB. */
  readonly DocumentTooLarge: 'document-too-large';
  /** A raw object without a type, from a place that holds none or nobody knows. */
  readonly UnknownType: 'unknown-type';
  /** A raw object without a type, from a place that holds several. */
  readonly AmbiguousType: 'ambiguous-type';
};
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Every way in which a component does not answer at all. */
export declare const ComponentErrorCode: {
  /** There is no component of this name. */
  readonly Unknown: 'component-unknown';
  /** A file of the package is not as it was built. */
  readonly DigestMismatch: 'component-digest-mismatch';
  /** A file of the package cannot be read, or is none of a component. */
  readonly Unusable: 'component-unusable';
  /** A batch over 1 MiB, or an adapter's document over 8 MiB. */
  readonly InputTooLarge: 'input-too-large';
  /** The component trapped; its instance is thrown away, the next call gets a new one. */
  readonly Trapped: 'component-trapped';
  /** The component was closed. */
  readonly Closed: 'handle-closed';
};
export type ComponentErrorCode = (typeof ComponentErrorCode)[keyof typeof ComponentErrorCode];

/** One broken rule. */
export interface Refusal {
  /** The rule. */
  readonly code: ErrorCode;
  /** The bare name of the member it was broken in, as in JSON: `provider_key`; `key` for a whole key, `request` for a line. */
  readonly field: string;
  /** For people; may change. Echoes at most 64 characters of input, never a note. */
  readonly message: string;
}

/** The input breaks rules. */
export declare class IdentityError extends Error {
  /** @param errors at least one, in the order of the codes */
  constructor(errors: readonly Refusal[]);
  /** One rule, broken in one member. */
  static of(code: ErrorCode, field: string, message: string): IdentityError;
  readonly name: 'IdentityError';
  /** The first broken rule. */
  readonly code: ErrorCode;
  /** The member it was broken in. */
  readonly field: string;
  /** Every broken rule, in the order of the codes: a decision may break several, everything else is refused with the first. */
  readonly errors: readonly Refusal[];
}

/** The component did not answer. The next call works, unless the component could not be opened or was closed. */
export declare class ComponentError extends Error {
  constructor(code: ComponentErrorCode, message: string, options?: { cause?: unknown });
  readonly name: 'ComponentError';
  readonly code: ComponentErrorCode;
}

/** What identifies a resource at its provider. Texts are opaque: nothing is folded, normalised or trimmed. */
export interface ResourceIdentity {
  /** The provider, `[a-z0-9][a-z0-9_-]{0,63}`. */
  readonly providerKey: string;
  /** The provider's type of the resource, 1 to 128 bytes. */
  readonly resourceType: string;
  /** The provider's id, 1 to 512 bytes. */
  readonly providerResourceId?: string | null | undefined;
  /** An id from elsewhere, 1 to 512 bytes. */
  readonly externalId?: string | null | undefined;
  /** The canonical name of a resource without a portable id, `[a-z0-9][a-z0-9._-]*`, 1 to 512 bytes. */
  readonly discriminator?: string | null | undefined;
  /** A digest of the content, 1 to 512 bytes. Never part of a key. */
  readonly fingerprint?: string | null | undefined;
  /** Shipped by the provider. */
  readonly builtIn?: boolean | null | undefined;
  /** A provider's default configuration. */
  readonly default?: boolean | null | undefined;
  /** Has no stored object behind it. */
  readonly virtual?: boolean | null | undefined;
  /** Made in and owned by the tenant. */
  readonly tenantOwned?: boolean | null | undefined;
}

/** What a key is derived from. */
export interface GovernedSubject {
  readonly identity: ResourceIdentity;
  readonly subjectClass: SubjectClass;
  /** The platform's type of the subject, 1 to 128 bytes. */
  readonly subjectTypeKey: string;
}

/** A resource as a candidate for matching or resolution. */
export interface ProviderResourceDescriptor extends GovernedSubject {
  /** The governance domain, `[a-z0-9][a-z0-9_-]{0,63}`. Not part of the key. */
  readonly subjectDomain: string;
  readonly supportLevel: SupportLevel;
  /** What people call it. Any text; never part of key, canonical form or digest. */
  readonly displayLabel?: string | null | undefined;
  /** The inventory item it was made from, 1 to 128 bytes. */
  readonly sourceInventoryItemId?: string | null | undefined;
  /** The policy version it was made from, 1 to 128 bytes. */
  readonly sourcePolicyVersionId?: string | null | undefined;
  /** The operation run it was seen by, 1 to 128 bytes. */
  readonly sourceOperationRunId?: string | null | undefined;
}

/** A decision, before it is made. */
export interface Decision {
  readonly action: DecisionAction;
  readonly actor: ActorKind;
  /** How the subject is resolved. Absent on revoke. */
  readonly mode?: ResolutionMode | null | undefined;
  /** The subject's canonical key. */
  readonly subject: string;
  /** The resource's canonical key. */
  readonly resource?: string | null | undefined;
  /** The operator's words, as typed; at most 2,000 Unicode scalar values. In no error and no message. */
  readonly note?: string | null | undefined;
  /** A reason code, `[a-z0-9]+(-[a-z0-9]+)*`, at most 64 bytes. */
  readonly reason?: string | null | undefined;
}

/** A key and its digest. */
export interface DerivedKey {
  /** The canonical subject key: ASCII, at most 1,024 bytes. Equal subjects have equal keys. */
  readonly key: string;
  /** `sha256:` and the lower-case hex of SHA-256 over the key's bytes. */
  readonly digest: string;
}

/** A key, taken apart; texts are decoded. */
export interface ParsedKey {
  readonly providerKey: string;
  readonly subjectClass: SubjectClass;
  readonly subjectTypeKey: string;
  readonly resourceType: string;
  /** Which identity the key carries. */
  readonly form: KeyForm;
  /** That identity. */
  readonly value: string;
}

/** A valid descriptor, rendered. */
export interface Described {
  /** The canonical subject key of the resource. */
  readonly key: string;
  /** RFC 8785 JSON over domain, class, type key, support level and identity without its fingerprint. */
  readonly canonical: string;
  /** `sha256:` and the lower-case hex of SHA-256 over `canonical`. */
  readonly digest: string;
}

/** What became of one subject of a list. */
export type Derived = { readonly ok: true; readonly key: string } | { readonly ok: false; readonly error: IdentityError };

/** What became of one raw object; `position` is its place in the document, from 0. */
export type Adapted =
  | { readonly ok: true; readonly position: number; readonly descriptor: ProviderResourceDescriptor }
  | { readonly ok: false; readonly position: number; readonly error: IdentityError };

/** Every limit, in the unit its name ends with. */
export interface Limits {
  /** A request line. */
  readonly lineBytes: number;
  /** One call of `batch`. */
  readonly batchBytes: number;
  /** A canonical subject key. */
  readonly keyBytes: number;
  /** A subject type key or resource type. */
  readonly typeBytes: number;
  /** An id, external id, discriminator or fingerprint. */
  readonly valueBytes: number;
  /** A display label, as adapters cut it. */
  readonly labelBytes: number;
  /** An operator note, in Unicode scalar values. */
  readonly noteChars: number;
}

/** Versions and limits. */
export interface About {
  /** The version of the key grammar. */
  readonly grammarVersion: number;
  /** The version of the contract. */
  readonly contractVersion: string;
  readonly limits: Limits;
}

/** What an adapter says of itself. */
export interface AdapterDescription {
  /** The provider it speaks for. */
  readonly providerKey: string;
  /** Its own version. */
  readonly version: string;
  /** The provider's types it knows, sorted. */
  readonly entityTypes: readonly string[];
}

/**
 * The identity component. Every call is synchronous, takes at most 1 MiB of text and throws
 *
 * - `IdentityError` where the input breaks a rule; a member of the wrong type is `malformed-request`, a lone surrogate
 *   `invalid-utf8`, more than 1 MiB of text `request-too-large` in field `request`,
 * - `ComponentError` where the component did not answer.
 *
 * One instance belongs to the thread that opened it; a worker opens its own.
 */
export declare class Identity {
  private constructor();

  /**
   * Opens the component of the package, which takes some milliseconds.
   *
   * @throws ComponentError `component-digest-mismatch`, `component-unusable`
   */
  static open(): Identity;

  /** Derives the key of one subject. */
  derive(subject: GovernedSubject): DerivedKey;

  /**
   * Derives many keys: the fastest form. One outcome for each subject, in order; a refused one never spoils the others.
   * The message of a refusal names rule and member only; `derive` says more.
   */
  deriveMany(subjects: Iterable<GovernedSubject>): Derived[];

  /** Takes a key apart. Accepts exactly what deriving can produce. */
  parse(key: string): ParsedKey;

  /** The digest of a key, which is parsed first: `sha256:` and lower-case hex. */
  digest(key: string): string;

  /** Validates a descriptor and renders it. */
  describe(descriptor: ProviderResourceDescriptor): Described;

  /**
   * Judges a decision. Returns where it may be made.
   *
   * @throws IdentityError with every broken rule in `errors`; a key that does not parse is the only one
   */
  decide(decision: Decision): void;

  /** A note as it is judged and stored: line ends become LF, white space is cut at both ends; undefined when nothing is left. */
  rewriteNote(note: string): string | undefined;

  /**
   * Answers request lines of the line protocol, one reply line each, at most 1 MiB.
   *
   * @throws ComponentError `input-too-large`; `lines` takes streams of any length
   */
  batch(requests: string | Uint8Array): string;

  /**
   * Answers a stream of request lines. Each piece it yields is one or more reply lines. Memory stays bounded whatever
   * comes in. With an adapter, requests of the op `adapt` are answered too.
   */
  lines(
    input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { readonly adapter?: Adapter | undefined },
  ): AsyncGenerator<string, void, undefined>;

  /** Versions and limits. */
  about(): About;

  /** Lets go of the component. Later calls are `handle-closed`; closing again does nothing. */
  close(): void;

  /** `close`, for `using`. Where Node.js has no `Symbol.dispose` (before 18.18) it is not there. */
  [Symbol.dispose](): void;
}

/** A provider adapter: turns one provider's raw objects into descriptors. */
export declare class Adapter {
  private constructor();

  /**
   * Opens an adapter of the package.
   *
   * @throws ComponentError `component-unknown`, `component-digest-mismatch`, `component-unusable`
   */
  static open(name: string): Adapter;

  /**
   * Describes every object of one JSON document, at most 8 MiB: an object, an array or a page of them.
   *
   * @throws IdentityError `invalid-utf8`, `malformed-request` for what is neither text nor bytes
   * @throws ComponentError
   */
  describe(document: string | Uint8Array): Adapted[];

  /** Which provider it speaks for, and which types it knows. */
  about(): AdapterDescription;

  /** Lets go of the adapter. Later calls are `handle-closed`; closing again does nothing. */
  close(): void;

  /** `close`, for `using`. Where Node.js has no `Symbol.dispose` (before 18.18) it is not there. */
  [Symbol.dispose](): void;
}

/**
 * Lower-case hex SHA-256 of every component file the package was built from, by name.
 *
 * @throws ComponentError `component-unusable` where the package's list of components is damaged
 */
export declare function components(): Readonly<Record<string, string>>;

/**
 * A subject, descriptor or decision with the names it has in JSON (`provider_key`), for the line protocol and the
 * service. What is absent and flags that are false are left out.
 */
export declare function toJson(given: GovernedSubject | ProviderResourceDescriptor | Decision): Record<string, unknown>;

/**
 * A subject, descriptor or decision with the names it has here (`providerKey`), from one of the line protocol or the
 * service. Values are taken as they are: the call it is given to checks them.
 *
 * @throws IdentityError `malformed-request`, `unknown-field`
 */
export declare function fromJson<T extends GovernedSubject | ProviderResourceDescriptor | Decision>(given: unknown): T;
