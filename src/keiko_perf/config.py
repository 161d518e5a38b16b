"""
Config: a file and the environment → one frozen Settings.

The file is the nearest `pyproject.toml` from the working folder upwards, its table
`[tool.keiko-perf]`; variables `KEIKO_PERF_…` go before it, and what is typed on the command line
before both. A nested setting's variable joins its names by two underscores:
`KEIKO_PERF_KPIS__API_RESPONSE_TIME_P95=150`.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from keiko_perf.errors import ConfigError
from keiko_perf.monitoring.kpis import PerformanceKPIs

PREFIX = "KEIKO_PERF_"
TABLE = ("tool", "keiko-perf")

# The nine targets stand in one place; here they only get a reader.
_FIELDS: dict[str, Any] = {one.name: (float, one.default) for one in fields(PerformanceKPIs)}
_KpiSettings: Any = create_model(
    "KpiSettings", __config__=ConfigDict(extra="forbid", frozen=True), **_FIELDS
)


class Settings(BaseSettings):
    """
    Attributes:
        database: the database to look at, as SQLAlchemy's URL.
        store: the file in which a service keeps its measurements.
        token: that opens the dashboard of the service's monitor.
        lang: the language of reports, `en` or `de`.
        kpis: the nine targets.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        pyproject_toml_table_header=TABLE,
        extra="forbid",
        frozen=True,
        # An error must not repeat a password.
        hide_input_in_errors=True,
    )

    database: SecretStr | None = None
    store: Path | None = None
    token: SecretStr | None = None
    lang: Literal["en", "de"] = "en"
    kpis: _KpiSettings = _KpiSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = _nearest(Path.cwd())
        return (env_settings, PyprojectTomlConfigSettingsSource(settings_cls, file))

    def performance_kpis(self) -> PerformanceKPIs:
        """The nine targets as monitoring takes them."""
        kpis: BaseModel = self.kpis
        return PerformanceKPIs(**kpis.model_dump())


def load_settings() -> Settings:
    """
    Read the settings that hold here.

    Raises:
        ConfigError: a setting has a value that cannot be used, or a name that does not exist.
    """
    try:
        settings = Settings()
        settings.performance_kpis()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"the setting {name} cannot be used: {first['msg'].lower()}",
            cure=f"Correct it under [{'.'.join(TABLE)}] in pyproject.toml, or the variable "
            f"{PREFIX}{name.upper().replace('.', '__')}",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"pyproject.toml cannot be read: {error}", cure="Correct the file at that place"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"pyproject.toml cannot be read: it is no UTF-8 from byte {error.start} on",
            cure="Save the file as UTF-8",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"pyproject.toml cannot be read: {error.strerror}",
            cure="Give yourself the right to read it, or call this from another folder",
        ) from error
    except SettingsError as error:
        raise ConfigError(
            f"a variable {PREFIX}… cannot be used: its value is no JSON",
            cure=f"Give single values as in {PREFIX}KPIS__API_RESPONSE_TIME_P95=150",
        ) from error
    return settings


def _nearest(folder: Path) -> Path:
    """The first pyproject.toml from *folder* upwards; where there is none, one that is absent."""
    for above in (folder, *folder.parents):
        file = above / "pyproject.toml"
        if file.is_file():
            return file
    return folder / "pyproject.toml"
