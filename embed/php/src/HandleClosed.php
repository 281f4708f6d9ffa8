<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A component was used after it had been closed.
 */
final class HandleClosed extends ProvidentException
{
    public function __construct(string $what)
    {
        parent::__construct("handle-closed: the $what is closed");
    }

    public function errorCode(): string
    {
        return 'handle-closed';
    }
}
