<?php

declare(strict_types=1);

/** A refusal or a failure. The code is stable and listed in docs/codes.md; the detail is for people. */
class Problem extends RuntimeException
{
    /** @param array<string, mixed> $body */
    final public function __construct(
        public readonly int $status,
        public readonly array $body,
        public readonly ?string $requestId,
    ) {
        $detail = $body['detail'] ?? 'no detail';
        parent::__construct("$status {$this->problemCode()}: $detail (request $requestId)", $status);
    }

    /** The problem that stands in an answer. @param array<string, mixed> $body */
    public static function of(int $status, array $body, ?string $requestId): self
    {
        return match ($status) {
            400, 422 => new Refused($status, $body, $requestId),
            401 => new Unauthenticated($status, $body, $requestId),
            403 => new Forbidden($status, $body, $requestId),
            404 => new NotFound($status, $body, $requestId),
            409 => new Conflict($status, $body, $requestId),
            429, 503 => new NotNow($status, $body, $requestId),
            default => new self($status, $body, $requestId),
        };
    }

    /** The stable code. (`getCode` is PHP's own, and a number: the status.) */
    public function problemCode(): string
    {
        return $this->body['code'] ?? 'not-a-problem';
    }
}

/** 401: no credential, or none that holds. */
final class Unauthenticated extends Problem
{
}

/** 403: the caller may know of it, and not do this. */
final class Forbidden extends Problem
{
}

/** 404: it does not exist, or the caller may not know that it does. Nobody is told which. */
final class NotFound extends Problem
{
}

/** 409: it does not fit what is there. */
final class Conflict extends Problem
{
    /** The decision in the way, if there is one. */
    public function activeBindingId(): ?string
    {
        return $this->body['active_binding_id'] ?? null;
    }
}

/** 400 and 422: the request cannot be right. */
final class Refused extends Problem
{
    /** The code of every rule that was broken. @return list<string> */
    public function rules(): array
    {
        return array_column($this->body['errors'] ?? [], 'code');
    }
}

/** 429 and 503, after the last attempt. */
final class NotNow extends Problem
{
}
