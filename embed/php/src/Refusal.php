<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Why one input was refused: the rule it broke, and where.
 */
final class Refusal implements \JsonSerializable
{
    /**
     * @param string $field the bare name of the member at fault; `request` for a whole request, `key` for a whole key
     * @param string $message for people; may change; echoes at most 64 characters of input, never a note
     * @param int|null $position of an object an adapter refused: its place in the document, from 0
     */
    public function __construct(
        public readonly ErrorCode $code,
        public readonly string $field,
        public readonly string $message,
        public readonly ?int $position = null,
    ) {
    }

    /** A refusal in the words of the contract, for where no others were given. */
    public static function of(ErrorCode $code, string $field): self
    {
        return new self($code, $field, "`$field`: {$code->meaning()}");
    }

    /** @return array{code: string, field: string, message: string, position?: int} */
    public function jsonSerialize(): array
    {
        $members = ['code' => $this->code->value, 'field' => $this->field, 'message' => $this->message];
        return $this->position === null ? $members : $members + ['position' => $this->position];
    }
}
