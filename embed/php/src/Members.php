<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Reads the members of an array that came from JSON: null is absent, a wrong type and a member nobody knows are
 * refused by name. The rules of the values are the component's.
 *
 * @internal
 */
final class Members
{
    /** @var array<array-key, true> */
    private array $known = [];

    /** @param array<array-key, mixed> $given */
    public function __construct(#[\SensitiveParameter] private array $given)
    {
    }

    public function text(string $name): ?string
    {
        $this->known[$name] = true;
        $value = $this->given[$name] ?? null;
        return $value === null || is_string($value) ? $value : self::refuse($name);
    }

    /** An absent required text reads as empty. */
    public function required(string $name): string
    {
        return $this->text($name) ?? '';
    }

    public function flag(string $name): bool
    {
        $this->known[$name] = true;
        $value = $this->given[$name] ?? false;
        return is_bool($value) ? $value : self::refuse($name);
    }

    /** @return array<array-key, mixed> */
    public function members(string $name): array
    {
        $this->known[$name] = true;
        $value = $this->given[$name] ?? [];
        return is_array($value) ? $value : self::refuse($name);
    }

    /** Every member that was not read is one nobody knows. */
    public function end(): void
    {
        foreach ($this->given as $name => $_) {
            if (!isset($this->known[$name])) {
                $name = substr((string) preg_replace('/[^ -_a-~]/', '?', (string) $name), 0, 64);
                throw new IdentityRefused(Refusal::of(ErrorCode::UnknownField, $name));
            }
        }
    }

    public static function refuse(string $name): never
    {
        throw new IdentityRefused(Refusal::of(ErrorCode::MalformedRequest, $name));
    }

    public static function subjectClass(?string $class): SubjectClass
    {
        return SubjectClass::tryFrom($class ?? '')
            ?? throw new IdentityRefused(Refusal::of(ErrorCode::InvalidClass, 'subject_class'));
    }
}
