"""Who connects to PostgreSQL waits for it; what breaks is asked again, unless that would do harm."""

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError, ProgrammingError

from automl_assets.errors import ServiceError, SettingError
from automl_assets.resources.postgres_connections import PATIENT, Patience, SteadyConnection, unbroken
from tests.breaks import each_statement_broken_once
from tests.servers import free_port

NAMES = sa.Table("names", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True))


@pytest.fixture
def engine(database: str) -> Engine:
    """Of which every statement commits by itself, with a table of one row."""
    made = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    made._connection_cls = SteadyConnection
    NAMES.metadata.create_all(made)
    with made.connect() as connection:
        connection.execute(insert(NAMES).values(name="Ann"))
    return made


def test_a_question_is_asked_again(engine: Engine, database: str) -> None:
    with each_statement_broken_once(database, "unheard"), engine.connect() as connection:
        first = connection.execute(sa.select(NAMES))
        assert connection.scalar(text("select 7")) == 7
        assert first.all() == [("Ann",)]


def test_what_may_be_done_twice_is(engine: Engine, database: str) -> None:
    with each_statement_broken_once(database, "unanswered"), engine.connect() as connection:
        connection.execute(insert(NAMES).values(name="Bob").on_conflict_do_nothing())
        connection.execute(NAMES.update().where(NAMES.c.name == "Ann").values(name="Eve"))
        assert sorted(connection.execute(sa.select(NAMES.c.name)).scalars()) == ["Bob", "Eve"]


def test_the_key_of_a_row_that_was_added_is_told(engine: Engine) -> None:
    """Dagster asks for it with every tick of a sensor."""
    ticks = sa.Table("ticks", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    ticks.metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.execute(ticks.insert().values(name="first")).inserted_primary_key == (1,)


def test_what_would_add_another_row_is_not_done_twice(engine: Engine, database: str) -> None:
    broken = each_statement_broken_once(database, "unanswered")
    with broken, engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(NAMES.insert().values(name="Bob"))


def test_a_transaction_is_left_to_who_began_it(engine: Engine, database: str) -> None:
    with each_statement_broken_once(database, "unheard"), engine.connect() as connection:
        with pytest.raises(OperationalError), connection.begin():
            connection.execute(sa.select(NAMES))
        assert connection.execute(sa.select(NAMES)).all() == [("Ann",)]


def test_what_is_wrong_is_told_at_once(engine: Engine) -> None:
    attempts = []
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="syntax error"):
        unbroken(lambda: attempts.append(connection.execute(text("selct"))), between=attempts.clear)
    assert attempts == []


def test_an_address_can_ask_for_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_DATABASE_SECONDS", "0.2")
    with pytest.raises(ServiceError, match="PostgreSQL has been away for 0 s"):
        create_engine(f"postgresql://127.0.0.1:{free_port()}/automl?plugin={PATIENT}").connect()


def test_patience_ends(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AUTOML_DATABASE_SECONDS", "0.2")
    engine = create_engine(f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/automl", poolclass=NullPool)
    Patience().teach(engine)
    with pytest.raises(ServiceError, match="PostgreSQL has been away for 0 s: connection to server at") as caught:
        engine.connect()
    assert "Connection refused" in caplog.text and "s3cret" not in caplog.text + str(caught.value)


def test_a_patience_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_DATABASE_SECONDS", "long")
    with pytest.raises(SettingError, match="AUTOML_DATABASE_SECONDS: got 'long'; it is a number of seconds"):
        Patience()
