<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * An input was refused, with the first rule it broke.
 */
final class IdentityRefused extends ProvidentException
{
    public function __construct(public readonly Refusal $refusal)
    {
        parent::__construct("{$refusal->code->value} ({$refusal->field}): {$refusal->message}");
    }

    public function errorCode(): string
    {
        return $this->refusal->code->value;
    }

    public function field(): string
    {
        return $this->refusal->field;
    }
}
