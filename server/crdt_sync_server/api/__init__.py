"""The HTTP API, `/api/v1`: rooms and their documents, groups, members and invitations.

face        one request: origin, who asks, body, the handler, problems
routing     which handler a method and a raw path are for
calls       what a handler gets and gives
problems    how an error is told (RFC 9457)
account, rooms, documents, members, invitations, discussion, devices, tokens
            handlers, each with its routes at the end of the file
description the OpenAPI document, made from the routes
"""
