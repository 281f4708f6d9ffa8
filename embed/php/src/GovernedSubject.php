<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What a key is derived from.
 */
final class GovernedSubject implements \JsonSerializable
{
    /**
     * @param ResourceIdentity $identity who it is at the provider
     * @param SubjectClass $subjectClass what kind of thing it is
     * @param string $subjectTypeKey the platform's type of the subject, 1..128 bytes
     */
    public function __construct(
        public readonly ResourceIdentity $identity,
        public readonly SubjectClass $subjectClass,
        public readonly string $subjectTypeKey,
    ) {
    }

    /**
     * Reads a subject as JSON writes it.
     *
     * @param array<array-key, mixed> $members
     * @throws IdentityRefused `malformed-request`, `unknown-field`, `invalid-class`
     */
    public static function fromArray(array $members): self
    {
        $read = new Members($members);
        $identity = ResourceIdentity::fromArray($read->members('identity'));
        $class = $read->text('subject_class');
        $type = $read->required('subject_type_key');
        $read->end();
        return new self($identity, Members::subjectClass($class), $type);
    }

    /**
     * As JSON writes it.
     *
     * @return array{identity: array<string, string|true>, subject_class: string, subject_type_key: string}
     */
    public function toArray(): array
    {
        return [
            'identity' => $this->identity->toArray(),
            'subject_class' => $this->subjectClass->value,
            'subject_type_key' => $this->subjectTypeKey,
        ];
    }

    /** @return array{identity: array<string, string|true>, subject_class: string, subject_type_key: string} */
    public function jsonSerialize(): array
    {
        return $this->toArray();
    }
}
