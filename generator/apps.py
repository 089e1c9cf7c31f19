from django.apps import AppConfig
from django.core.checks import Tags, register


class GeneratorConfig(AppConfig):
    name = "generator"

    def ready(self) -> None:
        """Let the credit history name its images, staff act on many, and have the keys of upstreams checked."""
        from billing.ledger import causes  # models can be imported only now
        from generator import many
        from generator.checks import check_keys
        from generator.library import trash

        register(check_keys, Tags.database)
        causes.register("generation", names=trash.names)
        many.register()
