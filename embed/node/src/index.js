// Everything the package offers; shapes, units and errors are told in index.d.ts.

export { Adapter } from './adapter.js';
export {
  ActorKind,
  BindingStatus,
  ComponentErrorCode,
  DecisionAction,
  ErrorCode,
  KeyForm,
  ResolutionMode,
  SubjectClass,
  SupportLevel,
} from './enums.js';
export { ComponentError, IdentityError } from './error.js';
export { components } from './files.js';
export { Identity } from './identity.js';
export { fromJson, toJson } from './shape.js';
