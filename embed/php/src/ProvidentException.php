<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Whatever this package throws, but for a wrong PHP type.
 *
 * The code is stable, the message is for people. (`getCode()` is PHP's own, a number, and always 0 here.)
 */
abstract class ProvidentException extends \RuntimeException
{
    /** The stable code, in kebab-case. */
    abstract public function errorCode(): string;

    /** The bare name of the member at fault; null where nothing that was given is. */
    public function field(): ?string
    {
        return null;
    }
}
