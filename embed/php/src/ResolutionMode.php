<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * How a subject came to be bound. The first three are written by the system, the others by operators.
 */
enum ResolutionMode: string
{
    /** The resource carries the subject's own provider identity. */
    case ExactProviderIdentity = 'exact_provider_identity';
    /** A built-in or default, recognised by its discriminator. */
    case CanonicalBuiltin = 'canonical_builtin';
    /** A virtual assignment target, recognised by its discriminator. */
    case CanonicalVirtualTarget = 'canonical_virtual_target';
    /** An operator says: this one is that one. */
    case ManualBinding = 'manual_binding';
    /** An operator says: this is not governed. */
    case ExcludedNonGoverned = 'excluded_non_governed';
    /** An operator says: we accept this. */
    case AcceptedLimitation = 'accepted_limitation';
    /** An operator says: this cannot be covered. */
    case UnsupportedCoverage = 'unsupported_coverage';
    /** An operator says: this ought to be here and is not. */
    case MissingExpected = 'missing_expected';
}
