<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * One opened component: the number the library knows it by, given back once.
 *
 * @internal
 */
final class Handle
{
    /** Never 0 while open; numbers are not used twice. */
    private int $number;

    /**
     * @param string $what is open, for people
     * @param int $number as the library gave it
     */
    public function __construct(public readonly Library $library, private readonly string $what, int $number)
    {
        $this->number = $number;
    }

    public function __destruct()
    {
        try {
            $this->close();
        } catch (ProvidentException) {
            // Nobody is left to tell, and nothing is left to do.
        }
    }

    /** @throws HandleClosed */
    public function number(): int
    {
        return $this->number === 0 ? throw new HandleClosed($this->what) : $this->number;
    }

    /** Closing twice does nothing. */
    public function close(): void
    {
        $number = $this->number;
        $this->number = 0;
        if ($number !== 0) {
            $this->library->close($number);
        }
    }

    private function __clone()
    {
    }
}
