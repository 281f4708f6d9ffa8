// What can go wrong: the input was refused, or the component itself failed. No input but what the component's own
// messages echo (at most 64 characters, never a note) is shown by either.

/** The input breaks rules. `code` and `field` are the first one's; `errors` holds all of them. */
export class IdentityError extends Error {
  /** @param {readonly {code: string, field: string, message: string}[]} errors at least one, in the order of the codes */
  constructor(errors) {
    super(errors.length === 1 ? errors[0].message : errors.map((error) => error.message).join('; '));
    this.code = errors[0].code;
    this.field = errors[0].field;
    this.errors = errors;
  }

  /** One rule, broken in one member. */
  static of(code, field, message) {
    return new IdentityError([{ code, field, message }]);
  }
}
Object.defineProperty(IdentityError.prototype, 'name', { value: 'IdentityError', configurable: true, writable: true });

/** The component did not answer. The next call works, unless the component could not be opened or was closed. */
export class ComponentError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}
Object.defineProperty(ComponentError.prototype, 'name', { value: 'ComponentError', configurable: true, writable: true });
