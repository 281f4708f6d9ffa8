<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What kind of thing a governed subject is. Decides the form its key may take.
 */
enum SubjectClass: string
{
    /** A tenant-owned policy. */
    case Policy = 'policy';
    /** A tenant-owned object that policies build on. */
    case Foundation = 'foundation';
    /** What a policy is assigned to, with an identity of its own, such as a group. */
    case AssignmentTarget = 'assignment_target';
    /** What a policy is assigned to, without an identity of its own, such as all devices. */
    case VirtualAssignmentTarget = 'virtual_assignment_target';
    /** Shipped by the provider, the same in every tenant. */
    case ProviderBuiltin = 'provider_builtin';
    /** The configuration that applies where nothing else does. */
    case ProviderDefault = 'provider_default';
    /** Known, and known not to be governable. */
    case Unsupported = 'unsupported';
    /** Not known. */
    case Unknown = 'unknown';
}
