<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A decision was refused, with every rule it broke.
 */
final class DecisionRefused extends ProvidentException
{
    /** @var non-empty-list<Refusal> in the order of the rules */
    public readonly array $refusals;

    public function __construct(Refusal $first, Refusal ...$others)
    {
        $this->refusals = [$first, ...array_values($others)];
        $told = static fn (Refusal $refusal): string => "{$refusal->code->value} ({$refusal->field})";
        parent::__construct('the decision breaks ' . implode(', ', array_map($told, $this->refusals)));
    }

    /** The code of the first rule broken. */
    public function errorCode(): string
    {
        return $this->refusals[0]->code->value;
    }

    /** The field of the first rule broken. */
    public function field(): string
    {
        return $this->refusals[0]->field;
    }
}
