<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A decision, before it is made.
 *
 * The note is what a person wrote and is shown to nobody by accident: it is no property, so `var_dump`, `print_r`,
 * `var_export`, a cast to array and JSON do not show it, and a decision is neither cloned nor serialized.
 */
final class Decision
{
    /** @var \WeakMap<self, string>|null */
    private static ?\WeakMap $notes = null;

    private bool $modeUnknown = false;

    /** The subject's canonical key. */
    public readonly string $subject;

    /** The resource's canonical key. */
    public readonly ?string $resource;

    /**
     * @param DecisionAction $action what it does
     * @param ActorKind $actor who makes it
     * @param ResolutionMode|null $mode how the subject is resolved; absent on revoke
     * @param CanonicalSubjectKey|string $subject the subject's canonical key
     * @param CanonicalSubjectKey|string|null $resource the resource's canonical key
     * @param string|null $note the operator's words, as typed, at most 2,000 Unicode scalar values
     * @param string|null $reason a reason code, `[a-z0-9]+(-[a-z0-9]+)*`, at most 64 bytes
     */
    public function __construct(
        public readonly DecisionAction $action,
        public readonly ActorKind $actor,
        public readonly ?ResolutionMode $mode,
        CanonicalSubjectKey|string $subject,
        CanonicalSubjectKey|string|null $resource = null,
        #[\SensitiveParameter] ?string $note = null,
        public readonly ?string $reason = null,
    ) {
        $this->subject = (string) $subject;
        $this->resource = $resource === null ? null : (string) $resource;
        if ($note !== null) {
            self::$notes ??= new \WeakMap();
            self::$notes[$this] = $note;
        }
    }

    /**
     * Reads a decision as JSON writes it.
     *
     * @param array<array-key, mixed> $members
     * A mode nobody knows is no fault of the form: {@see Identity::decide()} refuses it, after the keys.
     *
     * @throws IdentityRefused `malformed-request`, `unknown-field`
     */
    public static function fromArray(#[\SensitiveParameter] array $members): self
    {
        $read = new Members($members);
        $action = DecisionAction::tryFrom($read->required('action')) ?? Members::refuse('action');
        $actor = ActorKind::tryFrom($read->required('actor')) ?? Members::refuse('actor');
        $mode = $read->text('mode');
        $subject = $read->required('subject');
        $resource = $read->text('resource');
        $note = $read->text('note');
        $reason = $read->text('reason');
        $read->end();
        $known = ResolutionMode::tryFrom($mode ?? '');
        $decision = new self($action, $actor, $known, $subject, $resource, $note, $reason);
        $decision->modeUnknown = $mode !== null && $known === null;
        return $decision;
    }

    /**
     * Whether it was read with a mode that is none; `mode` is null then.
     *
     * @internal
     */
    public function modeIsUnknown(): bool
    {
        return $this->modeUnknown;
    }

    /** The operator's words, as typed. */
    public function note(): ?string
    {
        return self::$notes[$this] ?? null;
    }

    /** @return array<string, mixed> everything but the note, of which only the presence is told */
    public function __debugInfo(): array
    {
        return array_diff_key(get_object_vars($this), ['modeUnknown' => true])
            + ['note' => $this->note() === null ? null : '(hidden)'];
    }

    private function __clone()
    {
    }

    /** @return never */
    public function __serialize(): array
    {
        throw new \LogicException('a decision is not serialized: its note would be, too');
    }

    /** @param array<array-key, mixed> $members */
    public function __unserialize(array $members): void
    {
        throw new \LogicException('a decision is not serialized: its note would be, too');
    }
}
