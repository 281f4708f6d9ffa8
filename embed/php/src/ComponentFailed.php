<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A component could not be opened, or did not answer at all: the input is too large for one call, the file is not the
 * one that was pinned, the call ran out of fuel or memory. The next call works.
 */
final class ComponentFailed extends ProvidentException
{
    /** @param string $failure one of the codes of failures, such as `input-too-large` */
    public function __construct(
        private readonly string $failure,
        private readonly ?string $at,
        string $message,
    ) {
        parent::__construct("$failure: $message");
    }

    public function errorCode(): string
    {
        return $this->failure;
    }

    public function field(): ?string
    {
        return $this->at;
    }
}
