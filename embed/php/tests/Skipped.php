<?php

declare(strict_types=1);

namespace Provident\Identity\Tests;

/**
 * A test that cannot run here, and says why.
 */
final class Skipped extends \Exception
{
}
