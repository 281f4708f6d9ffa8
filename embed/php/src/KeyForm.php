<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Which of its identities a key carries.
 */
enum KeyForm: string
{
    /** The provider's own resource id. */
    case Id = 'id';
    /** An external id. */
    case Ext = 'ext';
    /** A canonical discriminator: the resource has no id of its own that means anything elsewhere. */
    case Disc = 'disc';
}
