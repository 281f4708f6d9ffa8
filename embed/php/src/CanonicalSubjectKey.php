<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The one text a subject is known by: ASCII, at most 1,024 bytes. Equal subjects have equal bytes.
 */
final class CanonicalSubjectKey implements \JsonSerializable, \Stringable
{
    private function __construct(public readonly string $value)
    {
    }

    /**
     * A key that was derived before and stored since. Nothing is checked here: {@see Identity::parse()} tells whether a
     * text from elsewhere is a key.
     */
    public static function fromStored(string $key): self
    {
        return new self($key);
    }

    /**
     * `sha256:` and the lower-case hex of SHA-256 over the key's bytes: a side form for logs and columns of fixed
     * width. Equality and uniqueness use the key.
     */
    public function digest(): string
    {
        return 'sha256:' . hash('sha256', $this->value);
    }

    public function equals(self $other): bool
    {
        return $this->value === $other->value;
    }

    public function __toString(): string
    {
        return $this->value;
    }

    public function jsonSerialize(): string
    {
        return $this->value;
    }
}
