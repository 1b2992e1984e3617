//! The program: reads its configuration, opens telemetry, runs its role.
