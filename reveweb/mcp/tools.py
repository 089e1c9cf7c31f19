"""What an agent can do here: each tool's arguments, in words for models, and what becomes of a call.

Tools call the functions that the API's endpoints call, and tell their errors by the same table. Arguments that models
send as null stand for none.
"""

from accounts.models import KeyScope
from reveweb.mcp import drawing, looking
from reveweb.mcp.calls import Call, Json, Told, Tool, filled


async def call(tool: Tool, asked: Call, arguments: Json) -> Told:
    """Do what a tool does. Raises what `reveweb.answers` lists, SessionSpent, and pydantic's ValidationError."""
    asked.request.caller.require(tool.scope)
    asked.request.needs = tool.scope
    return await tool.run(asked, tool.arguments.model_validate(filled(arguments)))


TOOLS = (
    Tool(
        "generate_image",
        "Generate an image",
        "Draw an image from words, or from words and reference pictures. Returns its permanent url, which anybody can "
        "open, what it cost and what is left. Each image costs credits; one that fails costs nothing.",
        drawing.GenerateArguments,
        drawing.generate,
        KeyScope.GENERATE,
        changes=True,
    ),
    Tool(
        "edit_image",
        "Edit an image",
        "Make a new image by changing a picture as words say; the picture itself stays. Returns the new image's url, "
        "what it cost and what is left. Each costs credits; one that fails costs nothing.",
        drawing.EditArguments,
        drawing.edit,
        KeyScope.GENERATE,
        changes=True,
    ),
    Tool(
        "image_status",
        "Follow an image",
        "Tell what became of an image: pending, completed with its url, or failed with the reason. Free.",
        looking.StatusArguments,
        looking.status,
        KeyScope.READ,
    ),
    Tool(
        "list_images",
        "List images",
        "List images that were made with this account, the newest first, with their urls and prompts. Free.",
        looking.ListArguments,
        looking.listing,
        KeyScope.READ,
    ),
    Tool(
        "list_models",
        "List models and prices",
        "List the models that can be chosen: what each can do, its shapes, sizes and qualities, and prices in credits. "
        "Free.",
        looking.NoArguments,
        looking.list_models,
        None,
    ),
    Tool(
        "credit_balance",
        "Look at the credits",
        "Tell how many credits are left on the account, and how many this session has spent and may spend. Free.",
        looking.NoArguments,
        looking.credit_balance,
        KeyScope.ACCOUNT,
    ),
)
