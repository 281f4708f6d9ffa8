// The enums of the contract, in its order. Values are spelled as in JSON and SQL: names in snake_case, codes in kebab-case.

/** What kind of thing a governed subject is. */
export const SubjectClass = Object.freeze({
  Policy: 'policy',
  Foundation: 'foundation',
  AssignmentTarget: 'assignment_target',
  VirtualAssignmentTarget: 'virtual_assignment_target',
  ProviderBuiltin: 'provider_builtin',
  ProviderDefault: 'provider_default',
  Unsupported: 'unsupported',
  Unknown: 'unknown',
});

/** How a subject came to be bound. */
export const ResolutionMode = Object.freeze({
  ExactProviderIdentity: 'exact_provider_identity',
  CanonicalBuiltin: 'canonical_builtin',
  CanonicalVirtualTarget: 'canonical_virtual_target',
  ManualBinding: 'manual_binding',
  ExcludedNonGoverned: 'excluded_non_governed',
  AcceptedLimitation: 'accepted_limitation',
  UnsupportedCoverage: 'unsupported_coverage',
  MissingExpected: 'missing_expected',
});

/** The life of a binding. */
export const BindingStatus = Object.freeze({
  Active: 'active',
  Superseded: 'superseded',
  Revoked: 'revoked',
});

/** How far the platform can go with a resource. */
export const SupportLevel = Object.freeze({
  Supported: 'supported',
  InventoryOnly: 'inventory_only',
  Unsupported: 'unsupported',
});

/** Which of its identities a key carries. */
export const KeyForm = Object.freeze({
  Id: 'id',
  Ext: 'ext',
  Disc: 'disc',
});

/** What a decision does. */
export const DecisionAction = Object.freeze({
  Create: 'create',
  Supersede: 'supersede',
  Revoke: 'revoke',
});

/** Who decides. */
export const ActorKind = Object.freeze({
  Operator: 'operator',
  System: 'system',
});

/** Every reason to refuse an input. */
export const ErrorCode = Object.freeze({
  RequestTooLarge: 'request-too-large',
  InvalidUtf8: 'invalid-utf8',
  MalformedRequest: 'malformed-request',
  UnknownOp: 'unknown-op',
  UnknownField: 'unknown-field',
  InvalidClass: 'invalid-class',
  EmptyField: 'empty-field',
  SurroundingWhitespace: 'surrounding-whitespace',
  ControlCharacter: 'control-character',
  Noncharacter: 'noncharacter',
  FieldTooLong: 'field-too-long',
  BadProviderKey: 'bad-provider-key',
  BadDiscriminator: 'bad-discriminator',
  ConflictingFlags: 'conflicting-flags',
  ClassIdentityMismatch: 'class-identity-mismatch',
  MissingDiscriminator: 'missing-discriminator',
  MissingIdentity: 'missing-identity',
  KeyTooLong: 'key-too-long',
  UnknownScheme: 'unknown-scheme',
  WrongArity: 'wrong-arity',
  UnknownForm: 'unknown-form',
  BadEscape: 'bad-escape',
  NonCanonicalEscape: 'non-canonical-escape',
  ClassFormMismatch: 'class-form-mismatch',
  BadSubjectDomain: 'bad-subject-domain',
  BadSupportLevel: 'bad-support-level',
  ModeNotAllowed: 'mode-not-allowed',
  ModeSubjectMismatch: 'mode-subject-mismatch',
  ResourceRequired: 'resource-required',
  ResourceNotAllowed: 'resource-not-allowed',
  ResourceProviderMismatch: 'resource-provider-mismatch',
  ResourceKeyMismatch: 'resource-key-mismatch',
  NoteRequired: 'note-required',
  NoteNotAllowed: 'note-not-allowed',
  NoteTooLong: 'note-too-long',
  ReasonRequired: 'reason-required',
  ReasonNotAllowed: 'reason-not-allowed',
  BadReason: 'bad-reason',
  MalformedDocument: 'malformed-document',
  DocumentTooLarge: 'document-too-large',
  UnknownType: 'unknown-type',
  AmbiguousType: 'ambiguous-type',
});

/** Every way in which a component does not answer at all. */
export const ComponentErrorCode = Object.freeze({
  Unknown: 'component-unknown',
  DigestMismatch: 'component-digest-mismatch',
  Unusable: 'component-unusable',
  InputTooLarge: 'input-too-large',
  Trapped: 'component-trapped',
  Closed: 'handle-closed',
});
