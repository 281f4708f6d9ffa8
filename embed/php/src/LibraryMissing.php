<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * There is no library where it was looked for.
 */
final class LibraryMissing extends ProvidentException
{
    public function __construct(string $source, string $path)
    {
        $path = (string) preg_replace('/[^ -_a-~]/', '?', $path);
        parent::__construct("library-missing: there is no library at `$path` ($source)");
    }

    public function errorCode(): string
    {
        return 'library-missing';
    }
}
