<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The library is there and cannot be called: it is another one, of another machine, or PHP may not call libraries.
 */
final class LibraryUnusable extends ProvidentException
{
    public function __construct(string $why)
    {
        parent::__construct("library-unusable: $why");
    }

    public function errorCode(): string
    {
        return 'library-unusable';
    }
}
