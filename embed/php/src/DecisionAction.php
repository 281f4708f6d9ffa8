<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What a decision does.
 */
enum DecisionAction: string
{
    /** A first binding for a subject. */
    case Create = 'create';
    /** A binding in place of the active one. */
    case Supersede = 'supersede';
    /** The end of the active one. */
    case Revoke = 'revoke';
}
