from django.apps import AppConfig

from billing.ledger import causes


class GeneratorConfig(AppConfig):
    name = "generator"

    def ready(self) -> None:
        """Let the credit history name its images."""
        from generator.library import trash  # models can be imported only now

        causes.register("generation", names=trash.names)
