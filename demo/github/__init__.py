"""A stand-in for GitHub: stateful, in memory, with real git, over real HTTP on loopback.

    world = World(tmp_path, hook_url="http://127.0.0.1:8080/webhook")      # demo.github.world
    github = await server.start(world)                                     # demo.github.server; github.url
    repo = await world.seed_repository("acme/shop", {"shop.py": "…"}, [("Add tests", {"test_shop.py": "…"})])
    world.add_collaborator("maria", "maintain")
    issue = await world.open_issue(repo, "maria", "Totals are wrong", "They are off by one.")
    await world.label(issue, "journeyman", "maria")                        # signs and sends `issues.labeled`
    await world.delivered()                                                # until the queue is empty
    world.faults.fail("POST .*/comments$", times=2, status=502)            # then things go wrong
    assert [each.path for each in world.mutations()] == [...]              # what the App did
    await github.close()

The App's key, id and webhook secret are `world.app.private_key`, `.id` and `.webhook_secret`.
"""
