<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Who decides.
 */
enum ActorKind: string
{
    /** A person, who answers for it with a note. */
    case Operator = 'operator';
    /** The platform itself, which gives a reason code. */
    case System = 'system';
}
