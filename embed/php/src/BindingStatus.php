<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The life of a binding. Only `active` ever changes, once.
 */
enum BindingStatus: string
{
    /** In force. At most one per subject and environment. */
    case Active = 'active';
    /** Replaced by a later binding of the same subject. */
    case Superseded = 'superseded';
    /** Withdrawn, with a note. */
    case Revoked = 'revoked';
}
