<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * How far the platform can go with a resource.
 */
enum SupportLevel: string
{
    /** Fully governed. */
    case Supported = 'supported';
    /** Seen and listed, not governed. */
    case InventoryOnly = 'inventory_only';
    /** Not handled. */
    case Unsupported = 'unsupported';
}
